"""Settings: everything a run can be told, in one frozen object.

Contract: the class below is the table. Each field is defined here once; its flag, its environment variable, its key in
the configuration file and its line in the documentation all come from it, and so they all have one name. What concerns
a URL's check, the pace and the network is handed on as `Policy`, `Limits` and `TransportOptions`, whose own defaults
these are.
Not in here: where values come from (`configuration`), how each is spelled (`values`), the command line (`flags`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final

from urlsweep.core.limits import MOST_AT_ONCE, Limits, PaceBy
from urlsweep.core.model import Outcome
from urlsweep.core.policy import Method, Policy, Rule, StatusSet
from urlsweep.core.standing import LONGEST_RECORD
from urlsweep.core.summary import FAILING
from urlsweep.settings import values
from urlsweep.settings.credentials import (
    is_authorized,
    read_netrc,
    scoped_fields,
    secrets_in,
    shared_fields,
    unscoped_fields,
)
from urlsweep.settings.setting import Setting, SettingsError, Shape, line, table_of
from urlsweep.settings.values import FALSE, TRUE, Login, Newly
from urlsweep.transport.options import TransportOptionError, TransportOptions

__all__ = ["SETTINGS", "Color", "Family", "Settings", "SettingsError"]


class Color(StrEnum):
    """When the terminal is sent colours."""

    AUTO = "auto"  # to a terminal, unless NO_COLOR is set
    ALWAYS = "always"
    NEVER = "never"


class Family(StrEnum):
    """Which addresses are connected to."""

    ANY = "any"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


class TransportKind(StrEnum):
    """What requests are made over."""

    AUTO = "auto"  # lean, unless a proxy is to be used
    LEAN = "lean"
    SESSION = "session"


MOST_PROCESSES: Final = 64
"""More would not find work: the one process that reads, tells duplicates and writes rows keeps about ten busy."""

INPUT: Final = "Input"
FILTERS: Final = "What is asked"
REQUESTS: Final = "Requests"
CREDENTIALS: Final = "Credentials"
VERDICTS: Final = "Verdicts"
NETWORK: Final = "Network"
PACE: Final = "Pace"
OUTPUT: Final = "Output"
JOURNAL: Final = "Runs"

_POLICY: Final = Policy()
_LIMITS: Final = Limits()
_TRANSPORT: Final = TransportOptions()


def _on_off(name: str) -> dict[str, str]:
    return {f"--{name}": TRUE, f"--no-{name}": FALSE}


def _resolver(text: str) -> str:
    _checked(resolvers=(text,))
    return text


def _resolve(text: str) -> tuple[str, int, str]:
    entry = values.resolve_entry(text)
    _checked(resolve=(entry,))
    return entry


def _proxy(text: str) -> str:
    url = "" if text.strip().lower() == "none" else text
    _checked(proxy=url)
    return url


def _checked(**options: Any) -> None:
    """Raises ValueError as TransportOptions does, without the option's name: the caller adds it as it was spelled."""
    try:
        TransportOptions(**options)
    except TransportOptionError as error:
        raise ValueError(str(error).partition(": ")[2]) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is told. Every field has a default; the table (`SETTINGS`) holds what each means.

    Raises SettingsError, PolicyError or TransportOptionError (all ValueErrors) for values that no run could use.

    >>> Settings(timeout=5, method=Method.GET).policy().timeout
    5
    """

    sitemap: tuple[str, ...] = field(
        default=(),
        metadata=line(
            "Read a sitemap. A site's root URL means the Sitemap: lines of its robots.txt, else its /sitemap.xml.",
            group=INPUT,
            shape=Shape.REPEATED,
            metavar="URL|FILE",
        ),
    )
    input_format: str | None = field(
        default=None,
        metadata=line(
            "Read every input as {input_formats}, whatever its name and content say.",
            group=INPUT,
            metavar="FORMAT",
            default_is="told by each input's content and ending",
        ),
    )
    column: str | None = field(
        default=None,
        metadata=line(
            "The column of a CSV or TSV input that holds the URLs.",
            group=INPUT,
            metavar="NAME|NUMBER",
            default_is="the one called url, else the first that begins with a URL",
        ),
    )

    include: tuple[re.Pattern[str], ...] = field(
        default=(),
        metadata=line(
            "Ask only URLs in which this regular expression is found; others are rows with the reason skip.excluded.",
            group=FILTERS,
            parse=values.pattern,
            shape=Shape.REPEATED,
            metavar="REGEX",
        ),
    )
    exclude: tuple[re.Pattern[str], ...] = field(
        default=(),
        metadata=line(
            "Do not ask URLs in which this regular expression is found. Stronger than --include.",
            group=FILTERS,
            parse=values.pattern,
            shape=Shape.REPEATED,
            metavar="REGEX",
        ),
    )
    allow_private: bool = field(
        default=_POLICY.allow_private,
        metadata=line(
            "Whether loopback and private addresses are asked. Deny them where the list comes from strangers.",
            group=FILTERS,
            parse=values.switch,
            constants={"--allow-private": TRUE, "--deny-private": FALSE},
            default_is="allowed",
        ),
    )
    allow_private_redirects: bool = field(
        default=_POLICY.allow_private_redirects,
        metadata=line(
            "Whether a public URL may redirect to a loopback or private address.",
            group=FILTERS,
            parse=values.switch,
            constants={"--allow-private-redirects": TRUE, "--deny-private-redirects": FALSE},
            default_is="denied",
        ),
    )
    robots: bool = field(
        default=_POLICY.robots,
        metadata=line(
            "Whether each site's robots.txt is asked for and obeyed: what it disallows becomes a row with the reason "
            "skip.robots, and its Crawl-delay, up to a minute, is kept.",
            group=FILTERS,
            parse=values.switch,
            constants=_on_off("robots"),
            default_is="not asked for",
        ),
    )

    method: Method = field(
        default=_POLICY.method,
        metadata=line(
            "auto: HEAD first, and GET wherever HEAD does not prove success. get: GET alone.",
            group=REQUESTS,
            parse=values.choice(Method),
            metavar="auto|get",
        ),
    )
    timeout: float = field(
        default=_POLICY.timeout,
        metadata=line(
            "Seconds for one request, from the look-up of the name to the end of the answer's header.",
            group=REQUESTS,
            parse=values.seconds,
            metavar="SECONDS",
        ),
    )
    connect_timeout: float | None = field(
        default=None,
        metadata=line(
            "Seconds of it for the look-up of the name, TCP and TLS.",
            group=REQUESTS,
            parse=values.seconds,
            metavar="SECONDS",
            default_is=f"{_POLICY.connect_timeout:g}, or the whole where that is less",
        ),
    )
    tries: int = field(
        default=_POLICY.tries,
        metadata=line(
            "Tries in all for what may pass: server errors, time-outs, connections that fail.",
            group=REQUESTS,
            parse=values.whole_number(1, 20),
            metavar="N",
        ),
    )
    retry_delays: tuple[float, ...] = field(
        default=_POLICY.retry_delays,
        metadata=line(
            "Seconds before the second try, the third and so on; the last one repeats.",
            group=REQUESTS,
            parse=values.delays,
            shape=Shape.COMMA_LIST,
            metavar="SECONDS,...",
        ),
    )
    follow: bool = field(
        default=_POLICY.follow,
        metadata=line(
            "Whether redirects are followed. Where they are not, a 3xx answer is ok.",
            group=REQUESTS,
            parse=values.switch,
            constants=_on_off("follow"),
            default_is="followed",
        ),
    )
    max_redirects: int = field(
        default=_POLICY.max_redirects,
        metadata=line(
            "Redirects followed for one URL.",
            group=REQUESTS,
            parse=values.whole_number(0, 100),
            metavar="N",
        ),
    )
    user_agent: str | None = field(
        default=None,
        metadata=line(
            "The User-Agent that is sent.",
            group=REQUESTS,
            parse=values.user_agent,
            metavar="TEXT",
            default_is="urlsweep/VERSION",
        ),
    )

    header: tuple[tuple[str, str], ...] = field(
        default=(),
        repr=False,
        metadata=line(
            "A field sent with every request. One that carries a secret (Authorization, Cookie, API keys) goes to the "
            "targets' one origin; where they have several, use --header-for.",
            group=CREDENTIALS,
            parse=values.shared_field,
            shape=Shape.REPEATED,
            metavar="'NAME: VALUE'",
            from_table=values.lines_of_table,
        ),
    )
    header_for: tuple[tuple[str, str, str], ...] = field(
        default=(),
        repr=False,
        metadata=line(
            "A field sent to one origin only, for example https://example.com 'Authorization: Bearer ...'.",
            group=CREDENTIALS,
            parse=values.scoped_field,
            shape=Shape.REPEATED,
            metavar=("ORIGIN", "'NAME: VALUE'"),
            from_table=values.lines_of_origins,
        ),
    )
    user: tuple[str, str] | None = field(
        default=None,
        repr=False,
        metadata=line(
            "A login (Basic) for the targets' one origin.",
            group=CREDENTIALS,
            parse=values.login,
            metavar="NAME:PASSWORD",
        ),
    )
    netrc: bool = field(
        default=False,
        metadata=line(
            "Take logins by host, for http and https at their usual ports, from the file that the variable NETRC "
            "names, or from ~/.netrc.",
            group=CREDENTIALS,
            parse=values.switch,
            constants=_on_off("netrc"),
            default_is="not read",
        ),
    )

    accept: StatusSet | None = field(
        default=None,
        metadata=line(
            "Status codes that are ok, for example 200..299,401 or 2xx,404.",
            group=VERDICTS,
            parse=StatusSet.parse,
            shape=Shape.COMMA_LIST,
            metavar="CODES",
            default_is="200..299",
        ),
    )
    fail_on: tuple[Outcome | Newly, ...] = field(
        default=FAILING,
        metadata=line(
            f"Outcomes that fail the run (exit code 1): some of {', '.join(Outcome)}; or none. With new among "
            "them, only what --baseline does not know yet does.",
            group=VERDICTS,
            parse=values.failing,
            shape=Shape.COMMA_LIST,
            metavar="OUTCOME,...",
        ),
    )
    baseline: str | None = field(
        default=None,
        metadata=line(
            "What failed before, and since when: a file (see --update-baseline) or an earlier run, last for the "
            "newest.",
            group=VERDICTS,
            metavar="FILE|RUN",
        ),
    )
    update_baseline: bool = field(
        default=False,
        metadata=line(
            "Write what fails now, and what failed in the last ten runs, into the baseline's file.",
            group=VERDICTS,
            parse=values.switch,
            constants=_on_off("update-baseline"),
            default_is="left as it is",
        ),
    )
    grace: int = field(
        default=1,
        metadata=line(
            "Fail only on what has failed in this many runs in a row, as the baseline knows.",
            group=VERDICTS,
            parse=values.whole_number(1, LONGEST_RECORD),
            metavar="N",
        ),
    )

    proxy: str | None = field(
        default=None,
        repr=False,
        metadata=line(
            "URL of the proxy for every request, or none.",
            group=NETWORK,
            parse=_proxy,
            metavar="URL",
            default_is="HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY are obeyed",
        ),
    )
    cacert: str | None = field(
        default=None,
        metadata=line(
            "PEM file or directory of certificate authorities to trust beside the system's.",
            group=NETWORK,
            metavar="PATH",
        ),
    )
    cert: str | None = field(
        default=None,
        metadata=line(
            "PEM file with a client certificate, and its key unless --key is given.", group=NETWORK, metavar="FILE"
        ),
    )
    key: str | None = field(
        default=None, metadata=line("PEM file with the client certificate's key.", group=NETWORK, metavar="FILE")
    )
    insecure: bool = field(
        default=_TRANSPORT.insecure,
        metadata=line(
            "Accept any certificate.",
            group=NETWORK,
            parse=values.switch,
            constants=_on_off("insecure"),
            default_is="certificates are verified",
        ),
    )
    resolver: tuple[str, ...] = field(
        default=(),
        metadata=line(
            "DNS server to ask instead of the system's.",
            group=NETWORK,
            parse=_resolver,
            shape=Shape.REPEATED,
            metavar="ADDRESS[:PORT]",
        ),
    )
    resolve: tuple[tuple[str, int, str], ...] = field(
        default=(),
        metadata=line(
            "Connect to ADDRESS for this host and port, as curl's --resolve.",
            group=NETWORK,
            parse=_resolve,
            shape=Shape.REPEATED,
            metavar="HOST:PORT:ADDRESS",
        ),
    )
    family: Family = field(
        default=Family.ANY,
        metadata=line(
            "Which addresses to connect to: any, ipv4 or ipv6.",
            group=NETWORK,
            parse=values.choice(Family),
            metavar="FAMILY",
            constants={"--ipv4": Family.IPV4, "--ipv6": Family.IPV6},
        ),
    )
    transport: TransportKind = field(
        default=TransportKind.AUTO,
        metadata=line(
            "What requests are made over: lean is several times faster; session, over aiohttp, speaks to proxies. "
            "auto takes lean unless a proxy is to be used.",
            group=NETWORK,
            parse=values.choice(TransportKind),
            metavar="KIND",
        ),
    )

    concurrency: int = field(
        default=_LIMITS.concurrency,
        metadata=line(
            "Requests at once in all.",
            group=PACE,
            parse=values.whole_number(1, MOST_AT_ONCE),
            metavar="N",
        ),
    )
    processes: int = field(
        default=1,
        metadata=line(
            "Worker processes that ask, each its share of the hosts, of --concurrency and of --total-rate. Faster "
            "where one core is not enough, as for thousands of https hosts.",
            group=PACE,
            parse=values.whole_number(1, MOST_PROCESSES),
            metavar="N",
            default_is="1: this process asks itself",
        ),
    )
    per_host: int | None = field(
        default=None,
        metadata=line(
            "Requests at once to one host at most; fewer where it pushes back.",
            group=PACE,
            parse=values.whole_number(1, MOST_AT_ONCE),
            metavar="N",
            default_is=f"learned, from {_LIMITS.host_start} up to {_LIMITS.host_cap}; for private hosts from "
            f"{_LIMITS.private_start} up, without a cap",
        ),
    )
    rate: float | None = field(
        default=_LIMITS.rate,
        metadata=line(
            "Requests a second to one host at most, evenly spaced: 0.5, 10/s, 30/m or 100/h.",
            group=PACE,
            parse=values.rate,
            metavar="N[/s|/m|/h]",
            default_is="learned where a host pushes back",
        ),
    )
    total_rate: float | None = field(
        default=_LIMITS.total_rate,
        metadata=line(
            "Requests a second in all at most, written as --rate.",
            group=PACE,
            parse=values.rate,
            metavar="N[/s|/m|/h]",
            default_is="no bound",
        ),
    )
    delay: float = field(
        default=_LIMITS.delay,
        metadata=line(
            "Seconds between two requests to one host at the least, from start to start.",
            group=PACE,
            parse=values.delay,
            metavar="SECONDS",
        ),
    )
    pace_by: PaceBy = field(
        default=_LIMITS.pace_by,
        metadata=line(
            "What shares one limit. host: each host and port has its own. domain: all hosts of one registrable domain, "
            "such as example.co.uk. address: all hosts that one IP address answers for.",
            group=PACE,
            parse=values.choice(PaceBy),
            metavar="host|domain|address",
        ),
    )
    patience: float = field(
        default=_LIMITS.patience,
        metadata=line(
            "Seconds for which a host that says it is asked too much is waited for without progress; after that its "
            "URLs end unverified: rate_limited. Also written 90s, 5m, 1h.",
            group=PACE,
            parse=values.patience,
            metavar="SECONDS",
        ),
    )
    budget: float | None = field(
        default=None,
        metadata=line(
            "Stop asking in time to be done after this many seconds (also 90s, 8m, 1h); urlsweep resume goes on. Exit "
            "code 5 where nothing failed so far.",
            group=PACE,
            parse=values.budget,
            metavar="SECONDS",
            default_is="until everything is asked",
        ),
    )
    seed: int | None = field(
        default=None,
        metadata=line(
            "Fixes the random that spreads later tries.",
            group=PACE,
            parse=values.whole_number(0, 2**63 - 1),
            metavar="N",
        ),
    )

    format: str = field(
        default="text",
        metadata=line(
            "What standard output gets: {formats}.",
            group=OUTPUT,
            metavar="FORMAT",
        ),
    )
    output: tuple[str, ...] = field(
        default=(),
        metadata=line(
            "Write a report to this file as well, in the format that its ending names: {endings}.",
            group=OUTPUT,
            shape=Shape.REPEATED,
            metavar="FILE",
            short="-o",
        ),
    )
    only: tuple[Outcome, ...] = field(
        default=(),
        metadata=line(
            "Report only rows with one of these outcomes. The summary counts them all.",
            group=OUTPUT,
            parse=values.outcomes,
            shape=Shape.COMMA_LIST,
            metavar="OUTCOME,...",
            default_is="every row; as text, those that need attention",
        ),
    )
    sort: bool | None = field(
        default=None,
        metadata=line(
            "Report rows in the order of the input.",
            group=OUTPUT,
            parse=values.switch,
            constants=_on_off("sort"),
            default_is="as they finish; CSV made from CSV is sorted",
        ),
    )
    bom: bool = field(
        default=False,
        metadata=line(
            "Begin CSV and TSV with a byte order mark, for Excel.",
            group=OUTPUT,
            parse=values.switch,
            constants=_on_off("bom"),
            default_is="left out",
        ),
    )
    color: Color = field(
        default=Color.AUTO,
        metadata=line(
            "Colour: auto (on a terminal, unless NO_COLOR is set), always or never.",
            group=OUTPUT,
            parse=values.choice(Color),
            metavar="WHEN",
        ),
    )
    quiet: bool = field(
        default=False,
        metadata=line(
            "No summary and no progress; errors alone.",
            group=OUTPUT,
            parse=values.switch,
            constants={"--quiet": TRUE, "--no-quiet": FALSE},
            short="-q",
            default_is="shown",
        ),
    )
    verbose: int = field(
        default=0,
        metadata=line(
            "As text, report the rows that are ok or skipped too; tell where an internal error came from.",
            group=OUTPUT,
            parse=values.whole_number(0, 3),
            shape=Shape.COUNT,
            short="-v",
        ),
    )

    journal: bool = field(
        default=True,
        metadata=line(
            "Whether the run is kept on disk as it goes, so that it can be resumed, reported again and compared.",
            group=JOURNAL,
            parse=values.switch,
            constants=_on_off("journal"),
            default_is="kept",
        ),
    )
    run_file: str | None = field(
        default=None,
        metadata=line(
            "Keep the run in this file, which must not be there yet.",
            group=JOURNAL,
            metavar="FILE",
            default_is="one in --journal-dir, named by the time",
        ),
    )
    journal_dir: str | None = field(
        default=None,
        metadata=line(
            "The folder in which runs are kept.",
            group=JOURNAL,
            metavar="FOLDER",
            default_is="urlsweep/runs in the user's state directory",
        ),
    )
    journal_keep: int = field(
        default=20,
        metadata=line(
            "Runs kept in that folder; the oldest go.",
            group=JOURNAL,
            parse=values.whole_number(1, 100_000),
            metavar="N",
        ),
    )
    journal_size: int = field(
        default=5_000_000_000,
        metadata=line(
            "Bytes that they may take together, also written 500MB or 2GB.",
            group=JOURNAL,
            parse=values.size,
            metavar="BYTES",
            default_is="5GB",
        ),
    )
    cache: tuple[tuple[Outcome, float], ...] = field(
        default=(),
        metadata=line(
            "Trust what kept runs with the same settings found out no longer than this ago, instead of asking: 12h for "
            "what is ok, or by outcome (ok=1d,broken=1h). Alone: 1d. Such rows have cached_at.",
            group=JOURNAL,
            parse=values.times_to_live,
            shape=Shape.COMMA_LIST,
            metavar="TTL",
            default_is="everything is asked",
            alone="1d",
        ),
    )
    rules: tuple[Rule, ...] = field(default=(), repr=False)
    """What differs for some URLs: ``[[rules]]`` in the configuration file (see `configuration`)."""

    disclosed: frozenset[str] = field(default=frozenset(), repr=False)
    """Values that came from ``${VARIABLES}`` of the configuration file: secrets, wherever they stand."""

    def __post_init__(self) -> None:
        unscoped_fields(self.header, self.user)
        if self.run_file is not None and not self.journal:
            raise SettingsError("run_file: is of no use where no run is kept (--no-journal)")
        if self.baseline is None:
            for name, is_given in (("update_baseline", self.update_baseline), ("grace", self.grace > 1)):
                if is_given:
                    raise SettingsError(f"{name}: needs --baseline FILE")
            if self.fails_on_new_alone:
                raise SettingsError("fail_on: new needs --baseline, a file or an earlier run")
        self._check_processes()
        self.limits()
        self.transport_options()
        self._bare_policy()

    def _check_processes(self) -> None:
        if not 1 <= self.processes <= MOST_PROCESSES:
            raise SettingsError(f"processes: has to be 1 to {MOST_PROCESSES}, not {self.processes}")
        if self.processes > max(1, self.concurrency):
            raise SettingsError(
                f"processes: {self.processes} of them cannot share --concurrency {self.concurrency}: each needs a "
                "request to ask"
            )
        if self.processes > 1 and PaceBy(self.pace_by) is PaceBy.ADDRESS:
            raise SettingsError(
                "processes: more than one cannot be had with --pace-by address: which hosts share an address is known "
                "only once they are asked, and then they would have to be one process's"
            )

    @property
    def failing(self) -> tuple[Outcome, ...]:
        """The outcomes that fail the run."""
        named = tuple(outcome for outcome in self.fail_on if isinstance(outcome, Outcome))
        return named if named or not self.fails_on_new_alone else FAILING

    @property
    def fails_on_new_alone(self) -> bool:
        """Whether what the baseline knows does not fail the run."""
        return Newly.NEW in self.fail_on

    def policy(self) -> Policy:
        """What one URL's check may do. Reads the netrc file where `netrc` is set; raises SettingsError if it cannot."""
        return replace(self._bare_policy(), credentials=scoped_fields(self.header_for, self._logins()))

    def _logins(self) -> Mapping[str, Login]:
        # A login given for the run is stronger than the file's, as with curl.
        is_needed = self.netrc and not is_authorized(unscoped_fields(self.header, self.user))
        return read_netrc() if is_needed else {}

    def _bare_policy(self) -> Policy:
        connect_timeout = _POLICY.connect_timeout if self.connect_timeout is None else self.connect_timeout
        return Policy(
            method=Method(self.method),  # a library's caller may have given its plain text
            accept=self.accept,
            timeout=self.timeout,
            connect_timeout=min(connect_timeout, self.timeout),
            max_redirects=self.max_redirects,
            follow=self.follow,
            tries=self.tries,
            retry_delays=self.retry_delays,
            headers=shared_fields(self.header, self.user_agent),
            unscoped_credentials=unscoped_fields(self.header, self.user),
            allow_private=self.allow_private,
            allow_private_redirects=self.allow_private_redirects,
            include=self.include,
            exclude=self.exclude,
            robots=self.robots,
            rules=self.rules,
        )

    def limits(self) -> Limits:
        """How much is asked at once, and how fast."""
        return Limits(
            concurrency=self.concurrency,
            total_rate=self.total_rate,
            per_host=self.per_host,
            rate=self.rate,
            delay=self.delay,
            pace_by=PaceBy(self.pace_by),
            patience=self.patience,
        )

    def transport_options(self) -> TransportOptions:
        """How servers are reached. The files it names are looked at by the transport."""
        return TransportOptions(
            kind=TransportKind(self.transport).value,
            resolvers=self.resolver,
            resolve=self.resolve,
            family=Family(self.family).value,
            proxy=self.proxy,
            cacert=self.cacert,
            cert=self.cert,
            key=self.key,
            insecure=self.insecure,
            concurrency=self.concurrency,
        )

    def secrets(self) -> frozenset[str]:
        """Every text that no output may show: credentials, and what came from ``${VARIABLES}``."""
        logins = self._logins()
        given = [*self.header, *unscoped_fields((), self.user)]
        for scoped in scoped_fields(self.header_for, logins).values():
            given += scoped
        for rule in self.rules:
            given += rule.headers
        passwords = {password for _, password in (*logins.values(), *filter(None, [self.user]))}
        if self.proxy:
            passwords |= {values.password_in(self.proxy)}
        return frozenset((secrets_in(given) | passwords | self.disclosed) - {""})


SETTINGS: Final[Mapping[str, Setting]] = table_of(fields(Settings))
"""The table: name -> setting, in the order of the documentation."""
