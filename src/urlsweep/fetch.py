"""Documents from the web for the sources: a sitemap, a robots.txt.

Contract: the same Check that judges every URL decides here on redirects, retries and credentials; this module only
waits and hands over the body. Sits beside the engine: it knows the transport's protocol, not aiohttp.
"""

from __future__ import annotations

import asyncio
import random as random_module
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from urlsweep.core.check import Check, HeadTrust, Verdict
from urlsweep.core.documents import FetchError
from urlsweep.core.model import Fault, Outcome, Reason, Reply
from urlsweep.core.policy import Method, Policy, StatusSet
from urlsweep.core.urls import names_private_host, parse, redact
from urlsweep.transport import BodyError, Transport


class FetchedDocument:
    """One document's body, as it comes in."""

    def __init__(self, url: str, is_public: bool, body: AsyncIterator[bytes]) -> None:
        self.url = url  # after redirects
        self.is_public = is_public  # a public server gave it, or redirected to it
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body's chunks. Raises FetchError when it breaks off."""
        try:
            async for chunk in self._body:
                yield chunk
        except BodyError as error:
            failure = error.failure
            fault = Fault(Outcome.DOWN, failure.reason, f"{self.url} broke off: {failure.detail}")
            raise FetchError(fault) from error


class DocumentFetcher:
    """Fetches documents over a transport under a policy."""

    def __init__(
        self,
        transport: Transport,
        policy: Policy,
        *,
        seed: int | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Filters, methods and accepted codes are for targets, those of rules too: a document has to be there."""
        self._transport = transport
        self._policy = replace(
            policy,
            method=Method.GET,
            accept=StatusSet(((200, 299),)),
            follow=True,
            rules=tuple(replace(rule, method=None, accept=None) for rule in policy.rules),
        )
        self._random = random_module.Random(seed)
        self._wall = wall

    @asynccontextmanager
    async def fetch(self, url: str, *, public_only: bool = False) -> AsyncIterator[FetchedDocument]:
        """GET `url`, as often as a target would be asked. Raises FetchError where it cannot be had.

        With `public_only` a private address is refused, as a redirect to it would be.
        """
        parsed = parse(url)
        if isinstance(parsed, Fault):
            raise FetchError(parsed)
        policy = self._policy.for_url(parsed)
        if public_only and not policy.allow_private_redirects:
            policy = replace(policy, allow_private=False)
        if not policy.allow_private and names_private_host(parsed.host):
            raise FetchError(self._private(url))
        check = Check(parsed, policy, HeadTrust())
        step = check.first()
        while True:
            await asyncio.sleep(step.delay)
            async with self._transport.open(step.request) as (event, body):
                decided = check.next(event, self._wall(), self._random)
                if isinstance(decided, Verdict):
                    if decided.reason == Reason.SKIP_PRIVATE_ADDRESS:
                        raise FetchError(self._private(url))
                    if decided.outcome is not Outcome.OK or not isinstance(event, Reply):
                        raise FetchError(_fault_of(url, decided))
                    yield FetchedDocument(decided.final_url, check.is_from_public(event), body)
                    return
            step = decided

    def _private(self, url: str) -> Fault:
        if not self._policy.allow_private:
            detail = f"{redact(url)} was not fetched: it is private, see --allow-private/--deny-private"
            return Fault(Outcome.SKIPPED, Reason.SKIP_PRIVATE_ADDRESS, detail)
        why = "a public site names it and it is private, see --allow-private-redirects"
        return Fault(Outcome.BROKEN, Reason.SOURCE_UNSAFE, f"{redact(url)} was not fetched: {why}")


def _fault_of(url: str, verdict: Verdict) -> Fault:
    why = verdict.detail or f"answered {verdict.status}"
    return Fault(verdict.outcome, verdict.reason or "", f"{redact(url)} could not be fetched: {why}", verdict.status)
