"""Runs in a made-up world, as for the engine."""

from tests.engine.conftest import swept_fixture

__all__ = ["swept_fixture"]
