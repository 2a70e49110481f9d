"""The command line's flags and the documentation's list, both made from the table."""

from __future__ import annotations

import argparse
import re

import pytest

from urlsweep.settings import SETTINGS
from urlsweep.settings.flags import add_flags, explain, given
from urlsweep.settings.reference import option_list
from urlsweep.settings.setting import Raw, flag_of

WORDS = {"formats": "text or csv", "input_formats": "text or csv", "endings": ".txt or .csv"}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(allow_abbrev=False)
    add_flags(made, WORDS)
    return made


@pytest.mark.parametrize(
    ("arguments", "raw"),
    [
        ([], {}),
        (["--timeout", "5"], {"timeout": "5"}),
        (["--timeout=5", "--timeout=x"], {"timeout": "x"}),
        (["--exclude", "a", "--exclude", "b"], {"exclude": ["a", "b"]}),
        (["--header-for", "https://a.example", "X: y"], {"header_for": ["https://a.example X: y"]}),
        (["--no-follow"], {"follow": "false"}),
        (["--no-follow", "--follow"], {"follow": "true"}),
        (
            ["--deny-private", "--allow-private-redirects"],
            {"allow_private": "false", "allow_private_redirects": "true"},
        ),
        (["--robots"], {"robots": "true"}),
        (["--robots", "--no-robots"], {"robots": "false"}),
        (
            ["--rate", "10/s", "--total-rate=1/m", "--delay", "0.5", "--pace-by", "domain", "--patience", "5m"],
            {"rate": "10/s", "total_rate": "1/m", "delay": "0.5", "pace_by": "domain", "patience": "5m"},
        ),
        (["--ipv4"], {"family": "ipv4"}),
        (["--ipv4", "--ipv6"], {"family": "ipv6"}),
        (["--family", "any"], {"family": "any"}),
        (["-o", "a.csv", "--output", "b.csv"], {"output": ["a.csv", "b.csv"]}),
        (["-q"], {"quiet": "true"}),
        (["-q", "--no-quiet"], {"quiet": "false"}),
        (["-v"], {"verbose": "1"}),
        (["-vvvvv"], {"verbose": "3"}),
    ],
)
def test_flags_become_raw_values(arguments: list[str], raw: dict[str, Raw]) -> None:
    assert given(parser().parse_args(arguments)) == raw


def test_the_help_has_every_setting_with_its_meaning() -> None:
    text = re.sub(r"-?\s+", " ", parser().format_help())
    for name in SETTINGS:
        assert flag_of(name) in text or name in ("allow_private",), name
        assert re.sub(r"-?\s+", " ", explain(name, WORDS))[:30] in text, name


def test_defaults_are_told() -> None:
    assert explain("timeout", WORDS).endswith("[20]")
    assert explain("retry_delays", WORDS).endswith("[1,5]")
    assert explain("fail_on", WORDS).endswith("[broken,down,invalid]")
    assert explain("patience", WORDS).endswith("[300]")
    assert explain("pace_by", WORDS).endswith("[host]")
    assert explain("delay", WORDS).endswith("[0]")
    assert explain("rate", WORDS).endswith("[learned where a host pushes back]")
    assert explain("verbose", WORDS).endswith("came from.")
    assert explain("format", WORDS) == "What standard output gets: text or csv. [text]"


def test_the_documentation_lists_every_setting() -> None:
    listed = re.findall(r"^\| [^|]*(?:\\\|[^|]*)* \| `(\w+)` \|", option_list(WORDS), re.MULTILINE)
    assert listed == list(SETTINGS)
