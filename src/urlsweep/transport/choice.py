"""Which transport a run is made over.

Contract: nothing of a transport that is not used is imported: aiohttp alone takes longer than the rest of the program.
"""

from __future__ import annotations

from collections.abc import Collection

from urlsweep.transport import Transport
from urlsweep.transport.options import TransportOptionError, TransportOptions
from urlsweep.transport.proxies import ProxyChoice


def open_transport(
    options: TransportOptions, *, needed_fields: Collection[str], context_fields: Collection[str] = ()
) -> Transport:
    """The transport that `options` ask for, in a running event loop. Raises TransportOptionError.

    `needed_fields`: names, in lower case, of the fields that a Reply shall carry. Of these, `context_fields` are not
    needed of a 2xx answer that carries none of the others, and are left out there.
    """
    if options.kind == "session":
        return _session(options, needed_fields, context_fields)
    proxies = ProxyChoice(options).servers
    if not proxies:
        try:
            from urlsweep.transport.lean.transport import LeanTransport

            return LeanTransport(options, needed_fields=needed_fields, context_fields=context_fields)
        except (ImportError, NotImplementedError) as error:  # no c-ares here, or a loop that cannot watch sockets
            why = f"it cannot run here ({str(error) or type(error).__name__})"
    else:
        why = f"it speaks to no proxy, and {min(proxy.url for proxy in proxies)} is one"
    if options.kind == "lean":
        raise TransportOptionError(f"transport: lean cannot be used: {why}; leave the choice to auto")
    return _session(options, needed_fields, context_fields)


def _session(options: TransportOptions, needed_fields: Collection[str], context_fields: Collection[str]) -> Transport:
    from urlsweep.transport.session import SessionTransport

    return SessionTransport(options, needed_fields=needed_fields, context_fields=context_fields)
