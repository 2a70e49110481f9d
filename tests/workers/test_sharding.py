"""Whose a host is, and what each shard may do."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.limits import Limits, PaceBy
from urlsweep.workers.sharding import Sharding


def test_a_hosts_shard_is_the_same_in_every_process() -> None:
    hosts = [f"h{number}.example:443" for number in range(50)]
    told = [Sharding(3, PaceBy.HOST).shard_of(host) for host in hosts]
    script = (
        f"from urlsweep.workers.sharding import *; s = Sharding(3, 'host'); print([s.shard_of(h) for h in {hosts}])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == str(told)


def test_hosts_are_spread_evenly() -> None:
    counts = Counter(Sharding(4, PaceBy.HOST).shard_of(f"www.site{number}.test:443") for number in range(4000))
    assert set(counts) == {0, 1, 2, 3}
    assert min(counts.values()) > 850


def test_hosts_that_share_a_limit_share_a_shard() -> None:
    sharding = Sharding(7, PaceBy.DOMAIN)
    hosts = ["example.co.uk:443", "www.example.co.uk:443", "a.b.example.co.uk:8080"]
    assert len({sharding.shard_of(host) for host in hosts}) == 1
    assert len({Sharding(7, PaceBy.HOST).shard_of(host) for host in hosts}) > 1


def test_hosts_of_one_address_cannot_be_told_beforehand() -> None:
    with pytest.raises(ValueError, match="known only when they have been asked"):
        Sharding(2, PaceBy.ADDRESS)
    assert Sharding(1, PaceBy.ADDRESS).shard_of("a.test:80") == 0


@given(st.integers(1, 9), st.integers(0, 500), st.sampled_from([None, 0.0001, 0.5, 100.0]))
def test_the_shares_are_the_whole(shards: int, more: int, total_rate: float | None) -> None:
    limits = Limits(concurrency=shards + more, total_rate=total_rate, per_host=3, rate=2.0)
    sharding = Sharding(shards, PaceBy.HOST)
    shares = [sharding.share_of(limits, shard) for shard in range(shards)]
    assert sum(share.concurrency for share in shares) == limits.concurrency
    assert max(share.concurrency for share in shares) - min(share.concurrency for share in shares) <= 1
    assert {(share.per_host, share.rate) for share in shares} == {(3, 2.0)}  # each host is asked by one of them
    if total_rate is not None and total_rate > 0.01:
        assert sum(share.total_rate or 0 for share in shares) == pytest.approx(total_rate)
