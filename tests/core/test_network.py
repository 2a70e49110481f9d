"""Is it the links, or the network? Which failures count, when it is taken for gone, how it is probed."""

from __future__ import annotations

import pytest

from urlsweep.core.model import Reason
from urlsweep.core.network import FEWEST_HOSTS, HOSTS_GONE, LONGEST_PAUSE, NetworkWatch, reaches_nobody

PATIENCE = 60.0
TIMEOUT, REFUSED, NO_NAME = Reason.CONNECT_TIMEOUT, Reason.CONNECT_REFUSED, Reason.DNS_FAILURE


def watch(answered: int) -> NetworkWatch:
    network = NetworkWatch(PATIENCE)
    network.hosts_answered = answered
    return network


def fail(network: NetworkWatch, hosts: str, reason: Reason = TIMEOUT, now: float = 0.0, *, known: bool = True) -> None:
    """One failure of each host."""
    for host in hosts:
        network.failed(host, reason, now, has_answered=known)


@pytest.mark.parametrize(
    ("answered", "gone"),
    [(1, FEWEST_HOSTS), (2, FEWEST_HOSTS), (3, 3), (4, 4), (5, HOSTS_GONE), (1000, HOSTS_GONE)],
)
def test_so_many_hosts_that_answered_fail_together(answered: int, gone: int) -> None:
    network = watch(answered)
    for number in range(gone):
        assert not network.is_down
        fail(network, "abcdefg"[number])
    assert network.is_down
    assert network.suspects == tuple("abcdefg"[:gone])
    assert network.probe_at == 1.0


def test_an_answer_in_between_starts_the_count_anew() -> None:
    network = watch(100)
    for _ in range(10):
        fail(network, "abcd")
        assert network.is_alarmed
        network.answered()
        assert not network.is_alarmed
    assert not network.is_down
    assert network.suspects == ()


def test_one_host_failing_often_is_that_hosts_matter() -> None:
    network = watch(100)
    fail(network, "a" * 1000)
    assert not network.is_down


def fail_strangers(network: NetworkWatch, count: int) -> None:
    for number in range(count):
        network.failed(f"stranger {number}", TIMEOUT, 0.0, has_answered=False)


def test_hosts_that_never_answered_are_no_sign_once_others_have_but_reason_to_ask_one_of_these() -> None:
    network = watch(1)
    fail_strangers(network, HOSTS_GONE - 1)
    fail(network, "s" * 9, known=False)  # the same host again and again is that host's matter
    assert network.witnesses_wanted == 1
    network.witnesses_wanted = 0  # it is asked
    fail_strangers(network, 100)
    assert not network.witnesses_wanted
    assert not network.is_down
    assert network.suspects == ()


@pytest.mark.parametrize(("answered", "witnesses"), [(1, 1), (2, 2), (3, 3), (5, 5), (1000, HOSTS_GONE)])
def test_where_the_witnesses_fail_too_the_network_is_gone(answered: int, witnesses: int) -> None:
    network = watch(answered)
    fail_strangers(network, HOSTS_GONE)
    for number in range(witnesses):
        assert not network.is_down
        fail(network, "abcdefg"[number])
        assert network.witnesses_wanted == HOSTS_GONE - 1  # of which nobody has asked any
    assert network.is_down
    assert network.suspects == tuple("abcdefg"[:witnesses])


def test_one_that_answered_and_failed_already_is_a_witness() -> None:
    network = watch(1000)
    fail(network, "ab")
    fail_strangers(network, HOSTS_GONE)
    assert network.witnesses_wanted == HOSTS_GONE - 2
    fail(network, "cd")
    assert not network.is_down
    fail(network, "e")
    assert network.is_down


def test_dead_links_that_a_witness_explained_are_reason_for_the_next_one_when_they_are_twice_as_many() -> None:
    network = watch(9)
    for most in (HOSTS_GONE, 2 * HOSTS_GONE, 4 * HOSTS_GONE):
        wanted = []
        for _ in range(2):
            fail_strangers(network, most - 1)
            wanted.append(network.witnesses_wanted)
            network.answered()  # by chance: nothing was asked yet
        fail_strangers(network, most)
        wanted.append(network.witnesses_wanted)
        network.answered()
        wanted.append(network.witnesses_wanted)
        assert wanted == [0, 0, 1, 0]


@pytest.mark.parametrize("reason", [Reason.DNS_FAILURE, Reason.DNS_TIMEOUT, Reason.CONNECT_UNREACHABLE])
def test_a_machine_without_a_network_is_told_from_the_start(reason: Reason) -> None:
    network = watch(0)
    fail(network, "ab", reason, known=False)
    assert not network.is_down
    fail(network, "c", reason, known=False)
    assert network.is_down


def test_dead_links_at_the_start_are_not_taken_for_a_dead_network() -> None:
    network = watch(0)
    fail(network, "a", TIMEOUT, known=False)  # this one is no sign of a machine without a network
    fail(network, "bcdefghij", NO_NAME, known=False)
    assert not network.is_down
    network.hosts_answered = 1
    network.answered()
    fail(network, "klmnop", NO_NAME, known=False)
    assert not network.is_down


def test_probes_go_with_growing_pauses() -> None:
    network = watch(9)
    fail(network, "abcde", now=10.0)
    times = [network.probe_at]
    for _ in range(6):
        network.probing(times[-1])
        times.append(network.probe_at)
    assert times == [11.0, 13.0, 17.0, 25.0, 40.0, 55.0, 70.0]
    assert times[-1] - times[-2] == LONGEST_PAUSE


def test_a_network_that_comes_back() -> None:
    network = watch(9)
    fail(network, "abcde")
    network.answered()
    assert not network.is_down
    assert network.suspects == ()
    fail(network, "abcde", now=1000.0)  # another time: from the beginning
    assert network.is_down
    assert not network.is_lost
    assert network.probe_at == 1001.0


def test_it_is_lost_when_a_failure_comes_after_patience_has_ended() -> None:
    network = watch(9)
    fail(network, "abcde", now=10.0)
    fail(network, "fgh", now=10.0 + PATIENCE - 0.001)
    assert not network.is_lost
    assert network.suspects == tuple("abcde")  # who fails later adds nothing
    fail(network, "a", now=10.0 + PATIENCE)
    assert network.is_lost


def test_what_fails_while_it_is_down_counts_whatever_it_is() -> None:
    network = watch(9)
    fail(network, "abcde")
    fail(network, "new", REFUSED, PATIENCE, known=False)
    assert network.is_lost


@pytest.mark.parametrize("reason", Reason)
def test_failures_that_a_network_that_is_gone_looks_like(reason: Reason) -> None:
    assert reaches_nobody(reason) is (
        reason in {Reason.DNS_FAILURE, Reason.DNS_TIMEOUT, Reason.CONNECT_UNREACHABLE, Reason.CONNECT_TIMEOUT}
    )


def test_an_answer_of_another_host_acquits_the_network_and_its_suspects_are_no_sign_any_more() -> None:
    network = watch(10)
    fail(network, "abcde")
    network.probing(1.0)
    assert network.is_refuted_by("x", 1.0)
    assert not network.is_refuted_by("a", 1.0)
    assert not network.is_refuted_by("x", 0.0)  # it was on its way before
    network.acquit()
    network.answered()
    fail(network, "abcde")
    assert not network.is_alarmed
    fail(network, "fghi")
    assert not network.is_down
    fail(network, "j")
    assert network.is_down
    network.probing(1.0)
    network.probing(3.0)
    assert not network.is_refuted_by("x", 3.0)  # it was asked in vain before


def test_a_list_of_hosts_that_are_all_dead_is_not_remembered_host_by_host() -> None:
    network = watch(0)
    for number in range(1000):
        network.failed(str(number), TIMEOUT, 0.0, has_answered=False)
    assert not network.is_down
    assert len(network.suspects) <= HOSTS_GONE
    network.answered()
    network.hosts_answered = 5
    fail(network, "abcde")
    assert network.is_down
