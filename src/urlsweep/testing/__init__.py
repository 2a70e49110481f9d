"""Tools for testing what asks URLs: without the internet, without real sleeping, with every misbehaviour at hand.

- `virtual_time`: an event loop whose time jumps: `run_virtual`, `VirtualTimeLoop`, `DeadlockError`
- `fake`: `FakeTransport`, a transport that asks a made-up world, and the kinds of host to put in it
- `faults`: `FaultServer`, a server on loopback that misbehaves as it is told; `scripts`: what it can be told
- `dns`: `DnsServer`, a name server on loopback that does
- `certificates`: `Authority`, for certificates that are good, expired, for another name, ...
- `demo_site`: `DemoSite`, a whole site with faults of every outcome, and what each has to be called

A program that uses urlsweep is tested without a network like this:

    >>> from urlsweep import Settings, sweep
    >>> from urlsweep.testing.fake import FakeTransport, reply
    >>> world = FakeTransport({"http://a.test/": reply(200), "http://a.test/b": [reply(503), reply(200)]})
    >>> async def outcomes() -> list[str]:
    ...     urls = ["http://a.test/", "http://a.test/b", "http://b.test/"]
    ...     return [result.outcome.value async for result in sweep(urls, Settings(sort=True), transport=world)]
    >>> run_virtual(outcomes())
    ['ok', 'ok', 'broken']

The classes can be imported from here; each is loaded when it is first used. The rest is imported from its module.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from urlsweep.testing.certificates import Authority
    from urlsweep.testing.demo_site import DemoSite
    from urlsweep.testing.dns import DnsServer
    from urlsweep.testing.fake import FakeTransport
    from urlsweep.testing.faults import FaultServer
    from urlsweep.testing.virtual_time import DeadlockError, VirtualTimeLoop, run_virtual

__all__ = [
    "Authority",
    "DeadlockError",
    "DemoSite",
    "DnsServer",
    "FakeTransport",
    "FaultServer",
    "VirtualTimeLoop",
    "run_virtual",
]

_HOMES: Final = {
    "Authority": "certificates",
    "DeadlockError": "virtual_time",
    "DemoSite": "demo_site",
    "DnsServer": "dns",
    "FakeTransport": "fake",
    "FaultServer": "faults",
    "VirtualTimeLoop": "virtual_time",
    "run_virtual": "virtual_time",
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
