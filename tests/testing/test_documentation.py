"""The examples in the kit's documentation are true, and its public names are what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import urlsweep.testing

MODULES = sorted(module.name for module in pkgutil.iter_modules(urlsweep.testing.__path__, "urlsweep.testing."))


@pytest.mark.parametrize("name", ["urlsweep.testing", *MODULES])
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    tried = doctest.testmod(module, extraglobs={"run_virtual": urlsweep.testing.run_virtual})
    assert tried.attempted > 0, f"{name} has no example"
    assert tried.failed == 0


@pytest.mark.parametrize("name", urlsweep.testing.__all__)
def test_public_names(name: str) -> None:
    assert getattr(urlsweep.testing, name).__doc__
    assert name in dir(urlsweep.testing)


def test_there_is_no_other_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        urlsweep.testing.nothing  # noqa: B018 - looking it up is what is tested


def test_importing_the_kit_imports_nothing_heavy() -> None:
    heavy = "{'asyncio', 'ssl', 'cryptography', 'aiohttp', 'can_ada'} & set(sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, urlsweep.testing; print({heavy})"], capture_output=True, check=True
    )
    assert told.stdout.strip() == b"set()"
