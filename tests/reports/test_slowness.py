from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.bottleneck import Bottleneck, Cause, Limiter, SlowedHost
from urlsweep.core.limits import Limits
from urlsweep.core.summary import Summary
from urlsweep.reports.layout import text_width
from urlsweep.reports.palette import Style, paint
from urlsweep.reports.slowness import SLOWED_HOSTS, limited_by, slowed_hosts

SLOWED = [
    SlowedHost("github.com:443", 12_700, Counter({"429": 12, "503": 1}), rate=398.7, held=62.0),
    SlowedHost("api.example.com:8443", 900, Counter({"connect.refused": 3}), at_once=8, held=41.96),
    SlowedHost("big.example:443", 41, Counter({"429": 40}), held=300.0, is_given_up=True),
    SlowedHost("slow.example:80", 50, rate=0.1, held=12.0, cause=Cause.SETTING),
]


def plain(text: str, style: Style) -> str:
    return paint(text, style, color=False)


def causes(bottleneck: Bottleneck, limits: Limits | None = None, seconds: float = 100.0) -> list[str]:
    return list(limited_by(Summary(seconds=seconds, bottleneck=bottleneck), limits, plain))


def slowed(*hosts: SlowedHost, count: int | None = None, width: int = 80, seconds: float = 100.0) -> list[str]:
    bottleneck = Bottleneck(slowed=list(hosts), slowed_hosts=len(hosts) if count is None else count)
    return list(slowed_hosts(Summary(seconds=seconds, bottleneck=bottleneck), width, plain))


class TestLimitedBy:
    """Shares of the run's time."""

    def test_the_largest_come_first_and_the_small_ones_are_left_out(self) -> None:
        bottleneck = Bottleneck(
            seconds={
                Limiter.SLOTS: 10.0,
                Limiter.HOSTS: 61.6,
                Limiter.TIMEOUTS: 19.5,
                Limiter.LATER_TRIES: 3.0,
                Limiter.ANSWERS: 2.9,
                Limiter.INPUT: 3.0,
            },
            cpu_seconds=95.4,
            request_seconds=1000.0,
            lookup_seconds=300.0,
            timeout_seconds=99.0,
        )
        assert causes(bottleneck, Limits(concurrency=1256)) == [
            "Limited by (share of the run's time)",
            "   62 %  hosts' own limits",
            "   20 %  time-outs: nothing was left but hosts that keep silent",
            "   10 %  all 1,256 slots taken (--concurrency)",
            "    3 %  later tries: nothing was left but what had to be asked again",
            "    3 %  reading the input",
            "  Of all requests' time: 30 % looking up names",
            "  CPU 95 % busy: urlsweep uses one core (--processes)",
        ]

    def test_of_several_processes_the_busiest_is_told(self) -> None:
        bottleneck = Bottleneck(seconds={Limiter.SLOTS: 10.0}, cpu_seconds=90.0, processes=3)
        assert causes(bottleneck)[-1] == "  CPU 90 % busy: the busiest of 3 processes, each of which uses one core"

    def test_the_one_cause_of_all_is_named_alone(self) -> None:
        bottleneck = Bottleneck(
            seconds={Limiter.ANSWERS: 7.0}, cpu_seconds=1.0, request_seconds=50.0, timeout_seconds=10.0
        )
        assert causes(bottleneck, seconds=7.0) == [
            "Limited by (share of the run's time)",
            "  100 %  answers on their way: nothing had to wait",
            "  Of all requests' time: 20 % requests that timed out",
        ]

    @pytest.mark.parametrize(
        ("limiter", "limits", "cause"),
        [
            (Limiter.SLOTS, None, "every slot taken (--concurrency)"),
            (Limiter.SLOTS, Limits(total_rate=50.0), "all 256 slots taken (--concurrency)"),
            (Limiter.TOTAL_RATE, None, "--total-rate in all"),
            (Limiter.TOTAL_RATE, Limits(total_rate=0.5), "--total-rate: one every 2 s in all"),
            (Limiter.NETWORK, Limits(), "your network: nobody answered, and only probes were sent"),
        ],
    )
    def test_what_is_known_of_a_bound_is_told(self, limiter: Limiter, limits: Limits | None, cause: str) -> None:
        assert causes(Bottleneck(seconds={limiter: 9.0}), limits)[1] == f"  100 %  {cause}"

    def test_less_than_all_is_never_called_so(self) -> None:
        bottleneck = Bottleneck(seconds={Limiter.HOSTS: 999.0, Limiter.INPUT: 1.0})
        assert causes(bottleneck)[1:] == ["   99 %  hosts' own limits"]

    def test_what_requests_spent_is_told_only_where_they_were_waited_for(self) -> None:
        bottleneck = Bottleneck(seconds={Limiter.HOSTS: 9.0}, request_seconds=10.0, lookup_seconds=9.0)
        assert len(causes(bottleneck)) == 2

    @pytest.mark.parametrize(
        ("bottleneck", "seconds"),
        [
            (Bottleneck(), 100.0),
            (Bottleneck(seconds={Limiter.HOSTS: 1.9}), 1.9),
            (Bottleneck(seconds={Limiter.HOSTS: 0.0}), 9.0),
        ],
    )
    def test_where_there_is_nothing_to_tell_nothing_is_told(self, bottleneck: Bottleneck, seconds: float) -> None:
        assert causes(bottleneck, seconds=seconds) == []

    @given(
        st.dictionaries(st.sampled_from(Limiter), st.floats(0, 1e6)),
        st.tuples(*[st.floats(0, 1e7)] * 5),
    )
    def test_any_figures_give_lines_within_80_columns(
        self, seconds: dict[Limiter, float], figures: tuple[float, ...]
    ) -> None:
        run, cpu, requests, lookups, timeouts = figures
        bottleneck = Bottleneck(
            seconds=seconds,
            cpu_seconds=cpu,
            request_seconds=requests,
            lookup_seconds=lookups,
            timeout_seconds=timeouts,
        )
        lines = causes(bottleneck, Limits(concurrency=100_000, total_rate=0.001), run)
        assert all(len(line) <= 80 for line in lines)
        assert len(lines) != 1  # no heading alone


class TestSlowedHosts:
    """The limit found, and what taught it."""

    def test_golden(self) -> None:
        assert slowed(*SLOWED, count=41) == [
            "Slowed hosts (41)          limit found   held back  push-backs",
            "  github.com              399 a second  1 min 02 s  12 x 429, 1 x 503",
            "  api.example.com:8443       8 at once      42.0 s  3 x connect.refused",
            "  big.example                        -  5 min 00 s  given up: 40 x 429",
            "  slow.example:80       one every 10 s      12.0 s  none: a bound that was set",
            "  and 37 more that held less",
        ]

    def test_where_columns_do_not_fit_what_is_told_of_a_host_goes_below_it(self) -> None:
        assert slowed(*SLOWED[:2], width=50) == [
            "Slowed hosts (2)",
            "  github.com",
            "    limit found: 399 a second; held back: 1 min 02",
            "    s; push-backs: 12 x 429, 1 x 503",
            "  api.example.com:8443",
            "    limit found: 8 at once; held back: 42.0 s;",
            "    push-backs: 3 x connect.refused",
        ]

    def test_a_long_name_gives_way_to_what_is_told_of_it(self) -> None:
        host = SlowedHost("a" * 40 + ".very.long.name.example:443", 9, Counter({"429": 3000}), rate=5.0, held=9.0)
        (_, line) = slowed(host)
        assert text_width(line) == 80
        assert line.endswith("…ry.long.name.example   5 a second      9.0 s  3,000 x 429")

    def test_kinds_of_push_back_are_bounded(self) -> None:
        kinds = Counter({"429": 9, "503": 3, "connect.refused": 3, "connect.reset": 2, "response.reset": 1})
        lines = slowed(SlowedHost("a.example:443", 99, kinds, at_once=1, held=9.0))
        assert " ".join(" ".join(lines).split()).endswith("9 x 429, 3 x 503, 3 x connect.refused and 3 others")

    @pytest.mark.parametrize(
        ("cause", "lesson"),
        [
            (Cause.ALLOWANCE, "none: it said what was left"),
            (Cause.DEFAULT, "none: --per-host's default"),
            (Cause.GROWTH, "none: still growing"),
            (Cause.HOST, "none"),
        ],
    )
    def test_without_a_push_back_what_held_is_told(self, cause: Cause, lesson: str) -> None:
        assert slowed(SlowedHost("a.example:443", 99, at_once=32, held=9.0, cause=cause))[1].endswith(
            f"9.0 s  {lesson}"
        )

    def test_the_list_is_bounded(self) -> None:
        hosts = [SlowedHost(f"{n}.example:443", 9, Counter({"429": 1}), held=9.0) for n in range(99)]
        lines = slowed(*hosts, count=1234)
        assert len(lines) == 1 + SLOWED_HOSTS + 1
        assert lines[-1] == f"  and {1234 - SLOWED_HOSTS:,} more that held less"

    def test_a_host_that_is_given_up_is_told_without_any_push_back(self) -> None:
        assert slowed(SlowedHost("dead.example:443", 3, is_given_up=True))[1].split()[-2:] == ["given", "up"]

    def test_what_held_for_a_moment_only_is_not_worth_telling(self) -> None:
        assert slowed(SlowedHost("a.example:443", 40, at_once=32, held=2.9)) == []
        assert slowed(SlowedHost("a.example:443", 40, at_once=32, held=0.9), seconds=1.0) == []
        assert slowed(SlowedHost("a.example:443", 40, at_once=32, held=3.0)) != []
        assert slowed() == []

    @given(
        st.lists(
            st.builds(
                SlowedHost,
                host=st.text(max_size=90),
                push_backs=st.dictionaries(st.text(max_size=30), st.integers(1, 10**9), max_size=5).map(Counter),
                at_once=st.none() | st.integers(1, 10**6),
                rate=st.none() | st.floats(0.0001, 1e7),
                held=st.floats(0, 1e7),
                is_given_up=st.booleans(),
                cause=st.sampled_from(Cause),
            ),
            max_size=7,
        ),
        st.integers(50, 140),
    )
    def test_any_hosts_give_visible_text_within_the_width(self, hosts: list[SlowedHost], width: int) -> None:
        for line in slowed(*hosts, width=width):
            assert line.isprintable()
            assert text_width(line) <= width
