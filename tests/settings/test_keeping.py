"""What of a run's settings is kept: no secret, and all that a row may depend on."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from urlsweep.core.policy import Method
from urlsweep.settings import SETTINGS, Settings
from urlsweep.settings.configuration import load
from urlsweep.settings.keeping import changed, fingerprint, keepable, what_matters, withheld_names
from urlsweep.settings.setting import Raw

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("flags", "kept", "withheld"),
    [
        ({"timeout": "5", "sort": "true"}, {"timeout": "5", "sort": "true"}, []),
        ({"header": ["X-A: b", f"Cookie: {SECRET}"]}, {"header": ["X-A: b"]}, ["--header 'Cookie: ...'"]),
        ({"header": [f"X-Api-Key: {SECRET}"]}, {}, ["--header 'X-Api-Key: ...'"]),
        ({"header_for": [f"https://a.test X-Who: {SECRET}"]}, {}, ["--header-for https://a.test 'X-Who: ...'"]),
        ({"user": f"me:{SECRET}"}, {}, ["--user ..."]),
        ({"proxy": f"http://me:{SECRET}@p.test:1"}, {}, ["--proxy http://me:***@p.test:1/"]),
        ({"proxy": "http://p.test:1"}, {"proxy": "http://p.test:1"}, []),
        ({"sitemap": [f"https://me:{SECRET}@a.test/"]}, {}, ["--sitemap https://me:***@a.test/"]),
        ({"netrc": "true"}, {"netrc": "true"}, []),
    ],
)
def test_flags_are_kept_without_secrets(flags: dict[str, Raw], kept: dict[str, Raw], withheld: list[str]) -> None:
    assert keepable(flags) == (kept, withheld)
    assert SECRET not in str(keepable(flags))
    assert withheld_names(withheld) <= set(flags)


def test_nothing_that_matters_is_secret(tmp_path: Path) -> None:
    (tmp_path / "urlsweep.toml").write_text(
        f"""
        user = "me:{SECRET}"
        header = {{ Cookie = "{SECRET}", X-Plain = "shown" }}
        header_for = {{ "https://a.test" = {{ X-Who = "{SECRET}" }} }}
        proxy = "http://me:{SECRET}@p.test:1"
        [[rules]]
        url = "https://b.test/*"
        headers = {{ X-Who = "{SECRET}" }}
        timeout = 3
        """
    )
    told = what_matters(load(directory=tmp_path, environ={}).settings)
    assert SECRET not in str(told)
    assert told["header"] == "Cookie,X-Plain: shown"
    assert told["header_for"] == "https://a.test X-Who"
    assert "timeout=3.0" in told["rules"]
    assert "X-Who" in told["rules"]


def test_what_differs_is_named() -> None:
    before = what_matters(Settings())
    assert changed(before, before) == {}
    assert changed(before, what_matters(Settings(timeout=5, follow=False))) == {
        "timeout": ("20.0", "5"),
        "follow": ("True", "False"),
    }
    assert changed({"timeout": "20.0"}, before) == {}  # an older version knew less


def test_how_urls_are_asked_makes_the_fingerprint_and_pace_and_output_do_not() -> None:
    plain = fingerprint(Settings())
    assert fingerprint(Settings(concurrency=3, sort=True, format="csv", exclude=())) == plain
    assert fingerprint(Settings(method=Method.GET)) != plain
    assert fingerprint(replace(Settings(), accept=None)) == plain


def test_every_setting_matters_or_is_known_not_to() -> None:
    """A new one has to be thought about here."""
    of_no_matter = {  # transports give the same rows
        "fail_on", "baseline", "update_baseline", "grace", "concurrency", "per_host", "rate", "total_rate", "delay",
        "pace_by", "patience", "seed", "budget", "format", "output", "only", "sort", "bom", "color", "quiet", "verbose",
        "journal", "run_file", "transport", "processes", "journal_dir", "journal_keep", "journal_size",
        "cache", "disclosed",
    }  # fmt: skip
    assert {field.name for field in fields(Settings)} == set(what_matters(Settings())) | of_no_matter
    assert set(SETTINGS) | {"rules", "disclosed"} == {field.name for field in fields(Settings)}
