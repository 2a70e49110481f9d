"""The pure part: values and decisions, without asyncio, sockets, clock, randomness or files."""
