"""Where settings come from: precedence, files, variables, and every error's words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from urlsweep.core.limits import PaceBy
from urlsweep.core.model import Outcome
from urlsweep.core.policy import ByHand, Method, StatusSet
from urlsweep.core.urls import Url, parse
from urlsweep.settings import SETTINGS, Color, Family, Settings, SettingsError, TransportKind
from urlsweep.settings.configuration import Configuration, load
from urlsweep.settings.setting import Raw, Shape, variable_of

CHOICES = {"format": ("text", "csv", "jsonl"), "input_format": ("text", "sitemap")}


def read(
    directory: Path,
    toml: str | None = None,
    environ: dict[str, str] | None = None,
    flags: dict[str, Raw] | None = None,
    **others: Any,
) -> Configuration:
    if toml is not None:
        (directory / "urlsweep.toml").write_text(toml, encoding="utf-8")
    return load(flags, environ=environ or {}, directory=directory, choices=CHOICES, **others)


def error(directory: Path, *args: Any, **others: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        read(directory, *args, **others)
    return str(caught.value).replace(f"{directory}/", "")


def url(text: str) -> Url:
    parsed = parse(text)
    assert isinstance(parsed, Url)
    return parsed


def test_nothing_given_is_the_defaults(tmp_path: Path) -> None:
    configuration = read(tmp_path)
    assert configuration == Configuration(Settings(), {}, None)


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    toml = "timeout = 1\ntries = 1\nmax_redirects = 1\n"
    environ = {"URLSWEEP_TIMEOUT": "2", "URLSWEEP_TRIES": "2"}
    configuration = read(tmp_path, toml, environ, {"timeout": "3"})
    settings = configuration.settings
    assert (settings.timeout, settings.tries, settings.max_redirects, settings.concurrency) == (3.0, 2, 1, 256)
    assert configuration.place("timeout") == "--timeout"
    assert configuration.place("tries") == "URLSWEEP_TRIES"
    assert configuration.place("max_redirects") == f"{tmp_path}/urlsweep.toml: max_redirects"
    assert configuration.path == tmp_path / "urlsweep.toml"


def test_a_stronger_place_replaces_a_list_whole(tmp_path: Path) -> None:
    toml = "exclude = ['a', 'b']\n"
    assert [pattern.pattern for pattern in read(tmp_path, toml).settings.exclude] == ["a", "b"]
    given = read(tmp_path, toml, {"URLSWEEP_EXCLUDE": "c d\n\ne,f\n"}).settings.exclude
    assert [pattern.pattern for pattern in given] == ["c d", "e,f"]
    assert [pattern.pattern for pattern in read(tmp_path, toml, flags={"exclude": ["g"]}).settings.exclude] == ["g"]


EXAMPLES: dict[str, tuple[Raw, str, object]] = {
    # setting: (as a flag gives it, as TOML, the value)
    "sitemap": (["https://a.example/", "s.xml"], '["https://a.example/", "s.xml"]', ("https://a.example/", "s.xml")),
    "input_format": ("sitemap", '"sitemap"', "sitemap"),
    "column": ("2", "2", "2"),
    "include": (["^https:"], '["^https:"]', (re.compile("^https:"),)),
    "exclude": (["x"], '"x"', (re.compile("x"),)),
    "allow_private": ("false", "false", False),
    "allow_private_redirects": ("true", "true", True),
    "robots": ("true", "true", True),
    "method": ("GET", '"get"', Method.GET),
    "timeout": ("1.5", "1.5", 1.5),
    "connect_timeout": ("1", "1", 1.0),
    "tries": ("1", "1", 1),
    "retry_delays": ("0,2.5", "[0, 2.5]", (0.0, 2.5)),
    "follow": ("false", "false", False),
    "max_redirects": ("0", "0", 0),
    "user_agent": ("me/1", '"me/1"', "me/1"),
    "header": (["X-A: b: c", "X-B:"], '{ X-A = "b: c", X-B = "" }', (("X-A", "b: c"), ("X-B", ""))),
    "header_for": (
        ["HTTPS://a.example:443 X-A: b"],
        '{ "https://a.example/" = { X-A = "b" } }',
        (("https://a.example", "X-A", "b"),),
    ),
    "user": ("me:pass:word", '"me:pass:word"', ("me", "pass:word")),
    "netrc": ("true", "true", True),
    "accept": ("200..299,401", '["2xx", 401]', StatusSet(((200, 299), (401, 401)))),
    "fail_on": ("down,BROKEN,down", '["down", "broken"]', (Outcome.DOWN, Outcome.BROKEN)),
    "baseline": ("known.txt", '"known.txt"', "known.txt"),
    "update_baseline": ("true", "true", True),
    "grace": ("3", "3", 3),
    "proxy": ("http://p.example:3128", '"http://p.example:3128"', "http://p.example:3128"),
    "cacert": ("ca.pem", '"ca.pem"', "ca.pem"),
    "cert": ("c.pem", '"c.pem"', "c.pem"),
    "key": ("k.pem", '"k.pem"', "k.pem"),
    "insecure": ("true", "true", True),
    "resolver": (["127.0.0.1:53"], '["127.0.0.1:53"]', ("127.0.0.1:53",)),
    "resolve": (["A.example:443:[::1]"], '["a.example:443:::1"]', (("a.example", 443, "::1"),)),
    "family": ("ipv6", '"ipv6"', Family.IPV6),
    "transport": ("lean", '"lean"', TransportKind.LEAN),
    "concurrency": ("7", "7", 7),
    "processes": ("2", "2", 2),
    "per_host": ("3", "3", 3),
    "rate": ("30/m", '"0.5/s"', 0.5),
    "total_rate": ("100", "100", 100.0),
    "delay": ("1.5", '"1500ms"', 1.5),
    "pace_by": ("Domain", '"domain"', PaceBy.DOMAIN),
    "patience": ("600", '"10m"', 600.0),
    "budget": ("8m", "480", 480.0),
    "seed": ("0", "0", 0),
    "format": ("csv", '"csv"', "csv"),
    "output": (["a.csv", "b.jsonl"], '["a.csv", "b.jsonl"]', ("a.csv", "b.jsonl")),
    "only": ("ok", '"ok"', (Outcome.OK,)),
    "sort": ("true", "true", True),
    "bom": ("true", "true", True),
    "color": ("never", '"never"', Color.NEVER),
    "quiet": ("true", "true", True),
    "verbose": ("2", "2", 2),
    "journal": ("false", "false", False),
    "run_file": ("a.run", '"a.run"', "a.run"),
    "journal_dir": ("runs", '"runs"', "runs"),
    "journal_keep": ("3", "3", 3),
    "journal_size": ("2GB", '"2 GB"', 2_000_000_000),
    "cache": ("12h,broken=1h", '["ok=12h", "broken=3600"]', ((Outcome.OK, 43_200.0), (Outcome.BROKEN, 3600.0))),
}


def test_every_setting_has_an_example() -> None:
    assert list(EXAMPLES) == list(SETTINGS)


_NEEDED: dict[str, dict[str, str]] = {
    "key": {"cert": "c.pem"},
    "update_baseline": {"baseline": "known.txt"},
    "grace": {"baseline": "known.txt"},
}
"""What a setting cannot do without."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_setting_reads_alike_from_flag_variable_and_file(name: str, tmp_path: Path) -> None:
    raw, toml, value = EXAMPLES[name]
    needed = _NEEDED.get(name, {})
    from_flag = load({**needed, name: raw}, environ={}, directory=tmp_path, choices=CHOICES)
    text = raw if isinstance(raw, str) else "\n".join(raw)
    environ = {variable_of(name): text, **{variable_of(key): cert for key, cert in needed.items()}}
    from_variable = load(environ=environ, directory=tmp_path, choices=CHOICES)
    lines = [f"{name} = {toml}", *(f'{key} = "{cert}"' for key, cert in needed.items())]
    from_file = read(tmp_path, "\n".join(lines))
    for configuration in (from_flag, from_variable, from_file):
        assert getattr(configuration.settings, name) == value


@pytest.mark.parametrize(
    ("key", "toml", "message"),
    [
        ("budget", "0", "'0' is not within bounds: more than 0 and at most 31 days"),
        ("cache", '"broken"', "'broken' is not a number of seconds, nor a time like 500ms, 5m or 1h"),
        ("cache", '"skipped=1h"', "skipped is not asked: there is nothing to remember"),
        ("cache", '"good=1h"', "'good' is not one of ok, broken"),
        ("journal_size", '"much"', "'much' is not a size: write bytes, or 500MB, 2GB"),
        ("journal_keep", "0", "'0' is not a whole number from 1 to 100000"),
        ("grace", "11", "'11' is not a whole number from 1 to 10"),
        ("timeout", '"abc"', "'abc' is not a number of seconds"),
        ("timeout", "nan", "'nan' is not a number of seconds"),
        ("timeout", "0", "'0' is not within bounds: more than 0 and at most 3600 seconds"),
        ("timeout", "true", "true is not a value for it: it is not switched on or off"),
        ("timeout", "[1]", "is a list: one value is expected"),
        ("timeout", "1979-05-27", "'1979-05-27' is neither a text nor a number"),
        ("timeout", "{ a = 1 }", "is a table: a value is expected"),
        ("retry_delays", "[1, -2]", "'1,-2' holds -2: each is to be 0 to 3600 seconds"),
        ("tries", "21", "'21' is not a whole number from 1 to 20"),
        ("tries", "1.5", "'1.5' is not a whole number from 1 to 20"),
        ("max_redirects", "-1", "'-1' is not a whole number from 0 to 100"),
        ("concurrency", '"many"', "'many' is not a whole number from 1 to 100000"),
        ("per_host", "0", "'0' is not a whole number from 1 to 100000"),
        ("retry_delays", '"1,2h"', "'1,2h' holds 7200: each is to be 0 to 3600 seconds"),
        ("timeout", '"5 minutes"', "'5 minutes' is not a number of seconds, nor a time like 500ms, 5m or 1h"),
        ("rate", '"fast"', "'fast' is not a rate: write requests a second (0.5), or 10/s, 30/m, 100/h"),
        ("rate", '"10/d"', "'10/d' is not a rate: write requests a second (0.5), or 10/s, 30/m, 100/h"),
        ("rate", "inf", "'inf' is not a rate: write requests a second (0.5), or 10/s, 30/m, 100/h"),
        ("rate", "0", "'0' is not within bounds: 0.0001 to 1000000 requests a second"),
        ("total_rate", '"-30/m"', "'-30/m' is not within bounds: 0.0001 to 1000000 requests a second"),
        ("delay", '"2h"', "'2h' is not within bounds: 0 to 3600 seconds"),
        ("delay", "-1", "'-1' is not within bounds: 0 to 3600 seconds"),
        ("pace_by", '"hosts"', "'hosts' is not one of host, domain, address: did you mean 'host'?"),
        ("patience", '"8d"', "'8d' is not within bounds: 0 to 604800 seconds (a week)"),
        ("patience", "-1", "'-1' is not within bounds: 0 to 604800 seconds (a week)"),
        ("robots", '"maybe"', "'maybe' is neither true nor false"),
        ("method", '"post"', "'post' is not one of auto, get"),
        ("follow", '"perhaps"', "'perhaps' is neither true nor false"),
        ("color", '"alway"', "'alway' is not one of auto, always, never: did you mean 'always'?"),
        ("family", '"ipv5"', "'ipv5' is not one of any, ipv4, ipv6: did you mean 'ipv6'?"),
        ("format", '"xml"', "'xml' is not one of text, csv, jsonl"),
        ("input_format", '"sitmap"', "'sitmap' is not one of text, sitemap: did you mean 'sitemap'?"),
        (
            "fail_on",
            '["broken", "dwon"]',
            "'dwon' is not one of ok, broken, down, unverified, invalid, skipped, new: did you mean 'down'?",
        ),
        ("accept", '"20"', "'20' is not a status code or range: write 200, 200..299 or 2xx"),
        ("include", '"a(b"', "'a(b' is not a regular expression: missing ), unterminated subpattern at position 2"),
        ("exclude", '["ok", "*"]', "'*' is not a regular expression: nothing to repeat at position 1"),
        ("header", '"X-A"', "a header field is written 'Name: value': the colon is missing"),
        ("header", '"X A: b"', "'X A' is not the name of a header field: letters, digits and - are allowed"),
        ("header", '": b"', "'' is not the name of a header field: letters, digits and - are allowed"),
        (
            "header",
            '"X-A: b\\r\\nX-B: c"',
            "the value of X-A holds '\\r': no control character may stand in a header field",
        ),
        (
            "header",
            '"Content-Length: 5"',
            "Content-Length says how a message is framed, which is the connection's own business: leave it out",
        ),
        (
            "header",
            '"Host: b.example"',
            "Host belongs to one origin: give it with --header-for ORIGIN 'Host: b.example'",
        ),
        ("header", "{ X-A = 1 }", "'X-A' has a value that is no text: write it in quotes"),
        (
            "header_for",
            '"https://a.example"',
            "is written as an origin and a field: https://example.com 'Name: value'",
        ),
        (
            "header_for",
            '"https://a.example/path X-A: b"',
            "'https://a.example/path' is not an origin: write https://example.com or http://example.com:8080",
        ),
        (
            "header_for",
            '"https://me:secret@a.example X-A: b"',
            "'https://me:***@a.example/' is not an origin: write https://example.com or http://example.com:8080",
        ),
        (
            "header_for",
            '{ "https://a.example" = "X-A: b" }',
            "'https://a.example' has no table of header fields: write { Name = 'value' }",
        ),
        ("user", '"secret"', "a name and a password are written NAME:PASSWORD: the colon is missing"),
        ("user", '"a:\\n"', "no control character may stand in a name or a password"),
        (
            "user_agent",
            '"a\\nb"',
            "the value of User-Agent holds '\\n': no control character may stand in a header field",
        ),
        ("proxy", '"ftp://p"', "'ftp://p' has a scheme that is not spoken: use one of http, https, socks4, socks4a, "),
        ("resolver", '"dns.example"', "'dns.example' is not a server's address: give an IP address, ADDR:PORT or "),
        (
            "resolve",
            '"a.example"',
            "'a.example' is not written HOST:PORT:ADDRESS, for example example.com:443:127.0.0.1",
        ),
        ("resolve", '"a:443:b"', "'a:443:b' has no valid IP address: give HOST:PORT:ADDRESS"),
        ("key", '"k.pem"', "k.pem is of no use without its certificate: give that with cert"),
        ("rules", "{}", "is not a list of tables: write [[rules]] before each rule"),
    ],
)
def test_a_wrong_value_is_told_with_file_key_value_and_remedy(
    key: str, toml: str, message: str, tmp_path: Path
) -> None:
    assert error(tmp_path, f"{key} = {toml}").startswith(f"urlsweep.toml: {key}: {message}")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        ("500ms", 0.5),
        ("90s", 90.0),
        ("5m", 300.0),
        (" 1.5 H ", 5400.0),
        ("7d", 604_800.0),
        ("0", 0.0),
        ("1e3", 1000.0),
    ],
)
def test_a_time_is_seconds_or_has_its_unit(text: str, seconds: float) -> None:
    assert load({"patience": text}, environ={}, use_file=False).settings.patience == seconds


@pytest.mark.parametrize(
    ("text", "a_second"),
    [("0.5", 0.5), ("10/s", 10.0), ("30/m", 0.5), ("7200 / H", 2.0), ("1e3", 1000.0), ("1000000", 1_000_000.0)],
)
def test_a_rate_is_requests_a_second_or_has_its_unit(text: str, a_second: float) -> None:
    settings = load({"rate": text, "total_rate": text}, environ={}, use_file=False).settings
    assert settings.rate == settings.total_rate == a_second


def test_a_wrong_value_is_told_with_its_flag_or_variable(tmp_path: Path) -> None:
    assert error(tmp_path, flags={"total_rate": "x"}).startswith("--total-rate: 'x' is not a rate")
    assert error(tmp_path, environ={"URLSWEEP_PATIENCE": "x"}).startswith("URLSWEEP_PATIENCE: 'x' is not a number")
    assert error(tmp_path, flags={"max_redirects": "x"}).startswith("--max-redirects: 'x' is not")
    assert error(tmp_path, environ={"URLSWEEP_MAX_REDIRECTS": "x"}).startswith("URLSWEEP_MAX_REDIRECTS: 'x' is not")
    assert error(tmp_path, flags={"key": "k.pem"}).startswith("--key: k.pem is of no use")


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("timout = 5", "urlsweep.toml: timout: there is no such setting: did you mean 'timeout'?"),
        ("max-redirects = 5", "urlsweep.toml: max-redirects: there is no such setting: did you mean 'max_redirects'?"),
        ("zzzzzz = 5", "urlsweep.toml: zzzzzz: there is no such setting"),
        ("a = = 5", "urlsweep.toml: is not valid TOML: Invalid value (at line 1, column 5)"),
        (
            'user = "a:b"\nheader = { Authorization = "c" }',
            "urlsweep.toml: user: there is an Authorization header too: give one of the two",
        ),
    ],
)
def test_a_wrong_file_is_told(toml: str, message: str, tmp_path: Path) -> None:
    assert error(tmp_path, toml) == message


RULE_KEYS = "url, regex, accept, method, headers, timeout, skip, robots, per_host, rate, delay"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("skip = true", "give url (a glob, 'https://example.com/*') or regex, one of the two"),
        ('url = "*"\nregex = "x"', "give url (a glob, 'https://example.com/*') or regex, one of the two"),
        (
            'ulr = "*"',
            f"ulr: is not one of {RULE_KEYS}: did you mean 'url'?",
        ),
        ('regex = "("', "regex: '(' is not a regular expression: missing ), unterminated subpattern at position 1"),
        ('url = "*"\naccept = 99', "accept: '99' is not a status code or range: write 200, 200..299 or 2xx"),
        ('url = "*"\nmethod = "head"', "method: 'head' is not one of auto, get"),
        ('url = "*"\ntimeout = -1', "timeout: '-1' is not within bounds: more than 0 and at most 3600 seconds"),
        ('url = "*"\nskip = "so"', "skip: 'so' is neither true nor false"),
        ('url = "*"\nrobots = 2', "robots: '2' is neither true nor false"),
        ('url = "*"\nper_host = 0', "per_host: '0' is not a whole number from 1 to 100000"),
        ('url = "*"\nper_host = true', "per_host: true is not a value for it: it is not switched on or off"),
        (
            'url = "*"\nrate = "x"',
            "rate: 'x' is not a rate: write requests a second (0.5), or 10/s, 30/m, 100/h",
        ),
        ('url = "*"\nrate = 0', "rate: '0' is not within bounds: 0.0001 to 1000000 requests a second"),
        ('url = "*"\ndelay = "2h"', "delay: '2h' is not within bounds: 0 to 3600 seconds"),
        ('url = "*"\nheaders = ["X"]', "headers: a header field is written 'Name: value': the colon is missing"),
    ],
)
def test_a_wrong_rule_is_told_with_its_number(rule: str, message: str, tmp_path: Path) -> None:
    toml = f'[[rules]]\nurl = "https://fine.example/*"\n[[rules]]\n{rule}\n'
    assert error(tmp_path, toml) == f"urlsweep.toml: rules: rule 2: {message}"


def test_rules_change_the_policy_of_the_urls_that_match(tmp_path: Path) -> None:
    toml = """
        [[rules]]
        url = "https://a.example/*"
        accept = ["2xx", 403]
        method = "get"
        timeout = 5
        headers = { X-Key = "${KEY}" }

        [[rules]]
        regex = "/private/"
        skip = true
    """
    settings = read(tmp_path, toml, {"KEY": "k-e-y"}).settings
    policy = settings.policy()
    changed = policy.for_url(url("https://a.example/x"))
    assert (changed.accepts(403), changed.method, changed.timeout, changed.connect_timeout) == (
        True,
        Method.GET,
        5.0,
        5.0,
    )
    assert ("X-Key", "k-e-y") in changed.fields_for("https://a.example")
    assert ("X-Key", "k-e-y") not in changed.fields_for("https://b.example")
    assert policy.for_url(url("https://b.example/x")) == policy
    refusal = policy.refusal(url("https://b.example/private/x"))
    assert refusal is not None
    assert refusal.outcome is Outcome.SKIPPED
    assert "k-e-y" in settings.secrets()


def test_rules_change_the_pace_of_the_hosts_that_match(tmp_path: Path) -> None:
    toml = """
        robots = true
        per_host = 8

        [[rules]]
        url = "https://slow.test/*"
        per_host = 1
        rate = "30/m"
        delay = "500ms"
        robots = false

        [[rules]]
        regex = "x"
        timeout = "1m"
    """
    settings = read(tmp_path, toml).settings
    policy = settings.policy()
    slow, fast = url("https://slow.test/a"), url("https://fast.test/x")
    assert policy.by_hand(slow) == ByHand(per_host=1, rate=0.5, delay=0.5)
    assert policy.by_hand(fast) is None
    assert (policy.obeys_robots(slow), policy.obeys_robots(fast)) == (False, True)
    assert policy.for_url(fast).timeout == 60.0
    assert settings.limits().per_host == 8  # for the hosts that no rule is about


def test_the_project_file_is_read_where_it_has_our_table(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text("[tool.other]\nname = 'urlsweep'\n")
    assert read(tmp_path).path is None
    project.write_text("[tool.urlsweep]\ntimeout = 4\n")
    assert read(tmp_path).settings.timeout == 4
    project.write_text("[tool.urlsweep]\ntimeout = 'x'\n")
    assert error(tmp_path).startswith("pyproject.toml: tool.urlsweep.timeout: 'x' is not a number of seconds")
    project.write_text("[tool]\nurlsweep = 1\n")
    assert error(tmp_path) == "pyproject.toml: tool.urlsweep: is not a table: write [tool.urlsweep]"


def test_a_project_file_that_is_not_about_us_may_be_broken(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff = = \n")
    assert read(tmp_path).path is None


def test_our_own_file_goes_before_the_project_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.urlsweep]\ntimeout = 4\n")
    assert read(tmp_path, "timeout = 5").settings.timeout == 5


def test_a_named_file_is_read_instead(tmp_path: Path) -> None:
    (tmp_path / "urlsweep.toml").write_text("timeout = 5")
    other = tmp_path / "ci.toml"
    other.write_text("timeout = 6")
    assert read(tmp_path, config=other).settings.timeout == 6
    assert read(tmp_path, environ={"URLSWEEP_CONFIG": str(other)}).settings.timeout == 6
    assert read(tmp_path, config=other, use_file=False).settings.timeout == 20


def test_a_named_file_has_to_be_there_and_of_use(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert error(tmp_path, config=missing) == (
        "none.toml: the configuration file cannot be read (No such file or directory)"
    )
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"a = '\xff'")
    assert error(tmp_path, config=binary) == "binary.toml: is not UTF-8 (byte 6)"
    project = tmp_path / "pyproject.toml"
    project.write_text("[tool.other]\n")
    assert error(tmp_path, config=project) == "pyproject.toml: has no [tool.urlsweep]"


def test_variables_of_the_environment_are_filled_in_and_secret_from_then_on(tmp_path: Path) -> None:
    toml = """
        header_for = ["https://a.example Authorization: Bearer ${TOKEN}"]
        proxy = "http://me:${PASS}@p.example:3128"
        exclude = ['$${kept}?', 'a[${]', '${1a}?']
    """
    environ = {"TOKEN": "t0k3n", "PASS": "p4ss"}
    settings = read(tmp_path, toml, environ).settings
    assert settings.header_for[0][2] == "Bearer t0k3n"
    assert settings.proxy == "http://me:p4ss@p.example:3128"
    assert [pattern.pattern for pattern in settings.exclude] == ["${kept}?", "a[${]", "${1a}?"]
    assert settings.secrets() == {"t0k3n", "Bearer t0k3n", "p4ss"}
    assert not {secret for secret in settings.secrets() if secret in repr(settings)}


@pytest.mark.parametrize(("environ", "why"), [({}, "not set"), ({"TOKEN": ""}, "empty")])
def test_a_variable_that_is_not_there_is_an_error(environ: dict[str, str], why: str, tmp_path: Path) -> None:
    toml = 'header = ["Authorization: ${TOKEN}"]'
    assert error(tmp_path, toml, environ) == f"urlsweep.toml: header: the environment variable TOKEN is {why}"


def test_no_error_shows_what_a_variable_held(tmp_path: Path) -> None:
    message = error(tmp_path, 'timeout = "${NUMBER}"', {"NUMBER": "hu\tsh"})
    assert message.startswith("urlsweep.toml: timeout: '***' is not a number of seconds")
    assert "hu" not in message.removeprefix("urlsweep.toml")


def test_flags_and_variables_are_taken_as_they_are(tmp_path: Path) -> None:
    given = read(tmp_path, environ={"URLSWEEP_EXCLUDE": "${A}"}, flags={"include": ["${B}"]}).settings
    assert given.exclude[0].pattern == "${A}"
    assert given.include[0].pattern == "${B}"


def test_an_empty_variable_is_not_given(tmp_path: Path) -> None:
    assert read(tmp_path, environ={"URLSWEEP_TIMEOUT": "", "URLSWEEP_HEADER": ""}).settings == Settings()


def test_a_misspelled_variable_is_warned_about_and_a_foreign_one_is_not(tmp_path: Path) -> None:
    environ = {"URLSWEEP_TIMOUT": "5", "URLSWEEP_DEPLOYMENT_SECRET": "x"}
    assert read(tmp_path, environ=environ).warnings == (
        "URLSWEEP_TIMOUT is no setting: did you mean URLSWEEP_TIMEOUT?",
    )


def test_a_single_value_given_twice_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"^--timeout: is given more than once$"):
        load({"timeout": ["1", "2"]}, environ={}, use_file=False)


def test_only_repeatable_settings_take_tables() -> None:
    for name, setting in SETTINGS.items():
        assert setting.from_table is None or setting.shape is Shape.REPEATED, name
