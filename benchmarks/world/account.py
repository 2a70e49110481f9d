"""What came of the runs, as lines for people: each tool by itself, then all of them side by side.

Contract: pure; what a run is comes from `run`, what is right from `judge`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from benchmarks.world.judge import EXAMPLES, Judgement
from benchmarks.world.load import Carried
from benchmarks.world.plan import Plan
from benchmarks.world.run import Run

AIM_SECONDS: Final = 60.0
"""What the whole of Debian's list may take urlsweep on its defaults, pages that never answer left out."""


class Ideal(NamedTuple):
    """What the world's slowest host makes of any tool: it lets through `rate` a second, and has `urls` URLs."""

    host: str
    urls: int
    rate: float

    @property
    def seconds(self) -> float:
        """N/r: one request a URL, none refused, none too late."""
        return self.urls / self.rate


def ideal_of(plan: Plan) -> Ideal | None:
    """The host that takes longest at its own rate; None where no host has a limit."""
    urls = plan.urls_of_limited()
    hosts = (Ideal(host, urls[host], limit.rate) for host, limit in plan.limits.items())
    return max(hosts, key=lambda ideal: ideal.seconds, default=None)


def account(run: Run, plan: Plan) -> Iterator[str]:
    """All about one run."""
    counts, names = run.counts, run.name_counts
    yield f"== {run.tool}: {' '.join(run.command)}"
    if run.figures.is_cut_short:
        yield f"NOT DONE, ended: {run.figures}"
    else:
        yield str(run.figures)
    methods = ", ".join(f"{count} {method}" for method, count in sorted(counts["methods"].items()))
    yield (
        f"the world saw {counts['requests']} requests ({methods}) over {counts['connections']} connections, "
        f"{counts['strange']} not of the plan; 429 given {counts['push_backs']}"
    )
    yield f"at once {counts['peak']} in all; by host {_list(counts['at_once'])}"
    yield f"in one second, by host {_list(counts['a_second'])}"
    yield (
        f"DNS queries {names['queries']}, {names['strange']} for names not of the plan; the world itself: processor "
        f"{counts['cpu_seconds']:.1f} s (web, {counts['cpu_seconds'] / run.figures.wall:.0%} of one) + "
        f"{names['cpu_seconds']:.1f} s (DNS), {counts['late']} answers late, the latest by "
        f"{counts['latest'] * 1000:.0f} ms"
    )
    yield from _limited(run, plan)
    for example in counts["strange_examples"]:
        yield f"    not of the plan: {example}"
    if run.judgement is not None:
        yield from _judged(run, run.judgement)


def _list(figures: Iterable[Sequence[object]]) -> str:
    return ", ".join(f"{host or '(no host)'} {count}" for host, count in list(figures)[:3])


class _Line(NamedTuple):
    """One line of the table of hosts that have a limit."""

    title: str
    rate: float
    urls: int
    carried: Carried
    work: float  # what was let through, in seconds of the limit


def _limited(run: Run, plan: Plan) -> Iterator[str]:
    lines = list(_limited_hosts(run, plan))
    if not lines:
        return
    yield (
        f"{'hosts with a limit':<32}{'rate':>7}{'URLs':>8}{'answered':>10}{'429':>8}{'share':>7}"
        f"{'at once':>9}{'in 1 s':>8}{'at limit':>10}"
    )
    for line in lines:
        carried = line.carried
        yield (
            f"{line.title:<32}{line.rate:>5.0f}/s{line.urls:>8}{carried.let_through:>10}{carried.refused:>8}"
            f"{carried.refused / max(1, carried.requests):>7.1%}{carried.most_at_once:>9}{carried.most_a_second:>8}"
            f"{line.work:>8.1f} s"
        )


def _limited_hosts(run: Run, plan: Plan) -> Iterator[_Line]:
    """The slowest hosts by themselves; the others of one rate together, their worst load, their longest work."""
    urls = plan.urls_of_limited()
    seen = {host: Carried(*run.counts["limited"].get(host, (0, 0, 0, 0, 0.0))) for host in plan.limits}
    each = [
        _Line(host, limit.rate, urls[host], seen[host], seen[host].let_through / limit.rate)
        for host, limit in plan.limits.items()
    ]
    yield from each[:_BY_THEMSELVES]
    rest = each[_BY_THEMSELVES:]
    if rest:
        together = Carried(
            sum(line.carried.requests for line in rest),
            sum(line.carried.refused for line in rest),
            max(line.carried.most_at_once for line in rest),
            max(line.carried.most_a_second for line in rest),
            max(line.carried.seconds for line in rest),
        )
        yield _Line(
            f"{len(rest)} more (most of any)",
            max(line.rate for line in rest),
            sum(line.urls for line in rest),
            together,
            max(line.work for line in rest),
        )


_BY_THEMSELVES: Final = 4


def _judged(run: Run, judgement: Judgement) -> Iterator[str]:
    yield (
        f"rows asked for {judgement.rows}, answers {judgement.answered}, lines without one {len(judgement.missing)}, "
        f"answers nobody asked for {len(judgement.unasked)}"
    )
    yield from _examples("without an answer", judgement.missing)
    yield from _examples("nobody asked for", judgement.unasked)
    yield from _examples("not told", (f"{said.url} {said.outcome} {said.detail or ''}" for said in judgement.untold))
    yield (
        f"working links called broken: {judgement.false_alarm_count}; broken links called fine: "
        f"{judgement.false_calm_count}; not told: {len(judgement.untold)}"
    )
    for title, groups in (("called broken", judgement.false_alarms), ("called fine", judgement.false_calms)):
        for label, answers in sorted(groups.items()):
            yield f"  planted {label}, {title}: {len(answers)} of {judgement.planted[label]}"
            for said in answers[:EXAMPLES]:
                yield f"    {said.url}  {said.outcome} {said.reason or ''} {said.status or ''} {said.detail or ''}"
    if not run.tells_reasons:
        return
    yield f"rows whose outcome, reason or status is not the planted one: {judgement.inexact_count}"
    for label, pairs in sorted(judgement.inexact.items()):
        yield f"  planted {label}: {len(pairs)} of {judgement.planted[label]}"
        for row, said in pairs[:EXAMPLES]:
            yield (
                f"    {said.url}  expected {row.truth.outcome} {row.truth.reason} {row.truth.status}, "
                f"got {said.outcome} {said.reason} {said.status}: {said.detail} "
                f"({run.counts['by_page'].get(said.url, 0)} requests seen)"
            )


def _examples(title: str, texts: Iterable[str]) -> Iterator[str]:
    for text in list(texts)[:EXAMPLES]:
        yield f"    {title}: {text}"


def work_of(run: Run, plan: Plan) -> float:
    """Seconds that the limits left to this run at best, for the requests that it sent and that were let through."""
    seen = ((limit.rate, run.counts["limited"].get(host)) for host, limit in plan.limits.items())
    return max((Carried(*carried).let_through / rate for rate, carried in seen if carried), default=0.0)


def side_by_side(runs: Sequence[Run], plan: Plan) -> Iterator[str]:
    """The table of all runs."""
    ideal = ideal_of(plan)
    rows: list[tuple[str, list[str]]] = [
        ("", [run.tool for run in runs]),
        ("wall time, s", [("> " if run.figures.is_cut_short else "") + f"{run.figures.wall:.1f}" for run in runs]),
    ]
    if ideal is not None:
        times = [(run.figures.wall, work_of(run, plan)) for run in runs]
        rows += [
            (f"... over the ideal {ideal.seconds:.1f} s", [f"{wall / ideal.seconds:.2f}" for wall, _ in times]),
            ("... over its own work", [f"{wall / work:.2f} ({work:.1f} s)" if work else "-" for wall, work in times]),
        ]
    judged = [run.judgement for run in runs]
    rows += [
        ("working links called broken", ["-" if each is None else str(each.false_alarm_count) for each in judged]),
        ("broken links called fine", ["-" if each is None else str(each.false_calm_count) for each in judged]),
        ("not told", ["-" if each is None else str(len(each.untold)) for each in judged]),
        ("requests", [str(run.counts["requests"]) for run in runs]),
        ("pushed back (429)", [f"{_share(run):.1%}" for run in runs]),
        ("most at once to one host", [_most(run, "at_once") for run in runs]),
        ("most a second to one host", [_most(run, "a_second") for run in runs]),
        ("processor, s", [f"{run.figures.user + run.figures.system:.1f}" for run in runs]),
        ("peak memory, MiB", [f"{run.figures.peak_rss_mb:.0f}" for run in runs]),
    ]
    for title, cells in rows:
        yield f"{title:<32}" + "".join(f"{cell:>28}" for cell in cells)


def _share(run: Run) -> float:
    counts = run.counts
    return int(counts["push_backs"]) / max(1, int(counts["requests"]))


def _most(run: Run, figure: str) -> str:
    host, count = next(iter(run.counts[figure]), ("nobody", 0))
    return f"{count} ({host[:20]})"
