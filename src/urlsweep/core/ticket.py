"""Leave to ask one host once: given by `Pacer.next`, handed back to `Pacer.release`."""

from __future__ import annotations

import msgspec


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """What was known when a request was let go: its answer is read in the light of it."""

    host_key: str
    storm: int  # how many push-backs the host had heeded
    level: int  # requests that were out at once, this one included
    sent_at: float  # on the caller's clock
    number: int = 0  # of the group's requests, from 1 on
    is_late: bool = False  # a later try: it had trouble before
    is_control: bool = False  # for an item that was answered well before: only how the host answers it is of interest
