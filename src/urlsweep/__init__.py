"""urlsweep: asks every URL of a list once, politely and at full speed, and says truthfully what became of each.

    import urlsweep

    for result in urlsweep.check(["https://example.com/", "https://example.com/nothing"]):
        print(result.outcome, result.status, result.url)

The names below are all there is to rely on. Each is imported when it is first used, so that ``import urlsweep`` costs
next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from urlsweep._version import __version__

if TYPE_CHECKING:
    from urlsweep.api import check, read_sitemap, sweep
    from urlsweep.asking import SweepError
    from urlsweep.core.model import Category, Hop, Outcome, Reason, Result, Target
    from urlsweep.core.policy import Method, StatusSet
    from urlsweep.core.summary import Summary
    from urlsweep.settings import Settings
    from urlsweep.sources import SourceError

__all__ = [
    "Category",
    "Hop",
    "Method",
    "Outcome",
    "Reason",
    "Result",
    "Settings",
    "SourceError",
    "StatusSet",
    "Summary",
    "SweepError",
    "Target",
    "__version__",
    "check",
    "read_sitemap",
    "sweep",
]

_HOMES: Final = {
    "Category": "core.model",
    "Hop": "core.model",
    "Method": "core.policy",
    "Outcome": "core.model",
    "Reason": "core.model",
    "Result": "core.model",
    "Settings": "settings",
    "SourceError": "sources",
    "StatusSet": "core.policy",
    "Summary": "core.summary",
    "SweepError": "asking",
    "Target": "core.model",
    "check": "api",
    "read_sitemap": "api",
    "sweep": "api",
}


def __getattr__(name: str) -> Any:
    """The public name `name`, from its module (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
