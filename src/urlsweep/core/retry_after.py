"""Retry-After (RFC 9110 section 10.2.3): how long a server asks to be left alone."""

from __future__ import annotations

import datetime as dt

from urlsweep.core.model import Reply


def retry_after(reply: Reply, wall: float) -> float | None:
    """Seconds that `reply` asks to wait; None where it does not say or says something unreadable.

    `wall` is the time of day in seconds since the epoch. An HTTP-date is held against the server's own Date where it
    sent one, so that neither clock has to be right. A date that has passed is 0.
    """
    value = reply.get("retry-after")
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])  # nine digits are 31 years: longer is the same to every caller
    at = _epoch(value)
    if at is None:
        return None
    date = reply.get("date")
    sent = _epoch(date) if date is not None else None
    return max(0.0, at - (wall if sent is None else sent))


def _epoch(http_date: str) -> float | None:
    from email.utils import parsedate_to_datetime  # 3 ms that few answers need

    try:
        moment = parsedate_to_datetime(http_date)
        # The asctime form names no zone: "HTTP-date is always UTC" (RFC 9110 section 5.6.7).
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
