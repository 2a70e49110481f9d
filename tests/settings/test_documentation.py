"""The pages that list the settings are made from the table.

``UPDATE_PAGES=1 pytest tests/settings/test_documentation.py`` writes the list into them anew.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

from urlsweep.cli.arguments import WORDS
from urlsweep.settings.configuration import load
from urlsweep.settings.reference import option_list

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "settings.md"
LIST = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- end of settings -->)", re.DOTALL)


@pytest.mark.parametrize("page", [REFERENCE, ROOT / "README.md"], ids=lambda page: page.name)
def test_the_list_of_settings_is_the_tables(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert page is not REFERENCE or LIST.search(text)
    made = LIST.sub(lambda _: f"\n{option_list(WORDS)}\n", text)
    if os.environ.get("UPDATE_PAGES"):
        page.write_text(made, encoding="utf-8")
    else:
        assert text == made, "the table has changed: run UPDATE_PAGES=1 pytest tests/settings/test_documentation.py"


EXAMPLES = re.findall(r"```toml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_of_a_configuration_file_is_understood(tmp_path: Path) -> None:
    example = EXAMPLES[0]
    (tmp_path / "urlsweep.toml").write_text(example, encoding="utf-8")
    settings = load(directory=tmp_path, environ={"STAGING_TOKEN": "t0k3n"}).settings
    assert set(tomllib.loads(example)) == {"timeout", "accept", "exclude", "header_for", "rules"}
    assert settings.header_for == (("https://staging.example.com", "Authorization", "Bearer t0k3n"),)
    assert len(settings.rules) == 3


def test_the_example_of_a_journal_is_understood(tmp_path: Path) -> None:
    (tmp_path / "urlsweep.toml").write_text(EXAMPLES[2], encoding="utf-8")
    settings = load(directory=tmp_path, environ={}).settings
    assert (settings.journal, settings.journal_keep, settings.journal_size) == (True, 20, 5_000_000_000)


def test_the_example_of_a_pace_is_understood(tmp_path: Path) -> None:
    (tmp_path / "urlsweep.toml").write_text(EXAMPLES[1], encoding="utf-8")
    [rule] = load(directory=tmp_path, environ={}).settings.rules
    assert (rule.per_host, rule.rate, rule.delay) == (1, 0.5, None)
