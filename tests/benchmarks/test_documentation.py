"""The documentation benchmark's own parts; nginx itself is run by the benchmark."""

from __future__ import annotations

import gzip
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.documentation import PLANTED, faults, nginx_configuration, pages_of, planted_pages, write_sitemaps

BASE = "http://127.0.0.1:1/"
LOC = "{http://www.sitemaps.org/schemas/sitemap/0.9}loc"


def test_pages_are_paths_as_urls_spell_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("index.html", "sub/a b.html", "sub/é.html", "style.css"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert pages_of(tmp_path) == ["index.html", "sub/%C3%A9.html", "sub/a%20b.html"]


def test_planted_pages_do_not_exist() -> None:
    pages = [f"{number:03}.html" for number in range(60)]
    planted = planted_pages(pages)
    assert len(set(planted)) == PLANTED
    assert not set(planted) & set(pages)


def test_the_sitemaps_name_every_page_once(tmp_path: Path) -> None:
    pages = [f"{number}&.html" for number in range(7)]
    write_sitemaps(tmp_path, BASE, pages)
    index = [element.text for element in ET.parse(tmp_path / "sitemap.xml").iter(LOC)]
    assert index == [f"{BASE}sitemap-1.xml", f"{BASE}sitemap-2.xml.gz"]
    found = [element.text for element in ET.parse(tmp_path / "sitemap-1.xml").iter(LOC)]
    second = gzip.decompress((tmp_path / "sitemap-2.xml.gz").read_bytes())
    found += [element.text for element in ET.fromstring(second).iter(LOC)]
    assert found == [BASE + page for page in pages]


def test_the_configuration_stays_in_its_folder(tmp_path: Path) -> None:
    text = nginx_configuration(tmp_path, Path("/tree"), 8080)
    assert "listen 127.0.0.1:8080;" in text
    assert text.count("_temp_path") == 5
    assert text.count(str(tmp_path)) == 8


def test_only_the_planted_pages_may_be_reported() -> None:
    def row(url: str, outcome: str, reason: str, status: str) -> dict[str, str]:
        return {"url": url, "outcome": outcome, "reason": reason, "status": status, "detail": ""}

    right = [row("a", "ok", "", "200"), row("b", "broken", "http.404", "404")]
    assert faults(right, ["a"], ["b"]) == []
    assert len(faults(right, ["b"], ["a"])) == 2
    assert faults(right[:1], ["a"], ["b"]) == ["b: 1 row(s) too few"]
    assert faults([*right, right[0]], ["a"], ["b"]) == ["a: 1 row(s) too many"]
