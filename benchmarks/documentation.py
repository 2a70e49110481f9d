"""`python -m benchmarks.documentation`: nginx serves a real documentation tree, urlsweep sweeps its sitemap.

The tree is Debian's python3-doc. The sitemap is made here: an index of two sitemaps, one of them gzipped, with every
page of the tree and some that do not exist. The run is right when exactly those are reported, and nothing else.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from benchmarks.programs import (
    Figures,
    ProgramMissingError,
    end,
    find_program,
    find_urlsweep,
    plain_environment,
    run_measured,
)

PLANTED: Final = 25
"""Pages of the sitemap that the tree does not have."""

START_SECONDS: Final = 10.0
START_ATTEMPTS: Final = 3
"""Another program may take the port between its being found free and nginx's taking it."""

_DIRECTORIES: Final = "/usr/share/doc"
_SITEMAP_NAMESPACE: Final = "http://www.sitemaps.org/schemas/sitemap/0.9"
_EXAMPLES: Final = 5


class DocumentationError(RuntimeError):
    """The site cannot be built; the message says what to do."""


def find_tree() -> Path:
    """The html folder of the newest python3 documentation that is installed."""

    def version(path: Path) -> tuple[int, ...]:
        return tuple(int(number) for number in re.findall(r"\d+", path.parent.name))

    trees = [tree for tree in Path(_DIRECTORIES).glob("python3.*/html") if (tree / "index.html").is_file()]
    if not trees:
        raise DocumentationError(
            f"no documentation below {_DIRECTORIES}: install Debian's python3-doc, or give a folder with --tree"
        )
    return max(trees, key=version)


def pages_of(tree: Path) -> list[str]:
    """The path of every page below `tree`, as it stands in a URL."""
    return sorted(quote(path.relative_to(tree).as_posix()) for path in tree.rglob("*.html") if path.is_file())


def planted_pages(pages: Sequence[str], count: int = PLANTED) -> list[str]:
    """Pages that are not there, spread over the folders of those that are."""
    there = set(pages)
    missing = (f"{pages[number * len(pages) // count].removesuffix('.html')}-planted-{number}.html"
               for number in range(count))  # fmt: skip
    return [page for page in missing if page not in there]


def write_sitemaps(directory: Path, base: str, pages: Sequence[str]) -> None:
    """Write sitemap.xml, an index, and the two it names, the second one gzipped."""
    middle = len(pages) // 2
    (directory / "sitemap-1.xml").write_bytes(_urlset(base, pages[:middle]))
    (directory / "sitemap-2.xml.gz").write_bytes(gzip.compress(_urlset(base, pages[middle:])))
    (directory / "sitemap.xml").write_bytes(
        _document("sitemapindex", (f"<sitemap><loc>{base}{name}</loc></sitemap>" for name in _NESTED))
    )


_NESTED: Final = ("sitemap-1.xml", "sitemap-2.xml.gz")


def _urlset(base: str, pages: Iterable[str]) -> bytes:
    return _document("urlset", (f"<url><loc>{escape(base + page)}</loc></url>" for page in pages))


def _document(root: str, entries: Iterable[str]) -> bytes:
    body = "\n".join(entries)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_SITEMAP_NAMESPACE}">\n{body}\n</{root}>\n'
    return text.encode()


def nginx_configuration(prefix: Path, tree: Path, port: int) -> str:
    """A whole nginx.conf that touches nothing outside of `prefix`."""
    temporary = "\n".join(
        f"    {kind}_temp_path {prefix}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""daemon off;
worker_processes 1;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
{temporary}
    types {{ text/html html; application/xml xml; application/gzip gz; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ root {tree}; }}
        location ~ ^/sitemap {{ root {prefix}; }}
    }}
}}
"""


@contextmanager
def site(tree: Path, prefix: Path) -> Iterator[str]:
    """nginx, serving `tree` and what is in `prefix` under names that begin with "sitemap". Gives the base URL."""
    nginx = find_program("nginx", "install Debian's nginx-light")
    configuration = prefix / "nginx.conf"
    for _ in range(START_ATTEMPTS):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        configuration.write_text(nginx_configuration(prefix, tree, port), encoding="utf-8")
        command = [nginx, "-p", str(prefix), "-e", str(prefix / "error.log"), "-c", str(configuration)]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            if _answers(f"http://127.0.0.1:{port}/index.html", server):
                yield f"http://127.0.0.1:{port}/"
                return
        finally:
            end(server)
    log = prefix / "error.log"
    said = log.read_text(encoding="utf-8", errors="replace")[-1000:] if log.exists() else "it left no log"
    raise DocumentationError(f"nginx did not start serving: {said}")


def _answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=1):
                return True
        except OSError:
            time.sleep(0.05)
    return False


def faults(rows: Iterable[dict[str, str]], pages: Iterable[str], planted: Iterable[str]) -> list[str]:
    """What is wrong with the report: sentences; none where exactly the planted pages are reported."""
    planted = set(planted)
    expected = Counter(pages) + Counter(planted)
    found = []
    for row in rows:
        url = row["url"]
        expected[url] -= 1
        right = ("broken", "http.404", "404") if url in planted else ("ok", "", "200")
        given = (row["outcome"], row["reason"], row["status"])
        if given != right:
            found.append(f"{url}: expected {right}, got {given}: {row['detail']}")
    for url, count in expected.items():
        if count:
            found.append(f"{url}: {abs(count)} row(s) too {'few' if count > 0 else 'many'}")
    return found


def sweep(base: str, directory: Path, limit: float) -> tuple[Figures, list[dict[str, str]]]:
    """Run the command line over the sitemap as a user would, and read its CSV."""
    command = [find_urlsweep(), "check", "--sitemap", f"{base}sitemap.xml", "--format", "csv"]
    figures = run_measured(command, plain_environment(), directory, limit)
    if figures.exit != 1:  # pages are missing
        said = (directory / "stderr").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise DocumentationError(f"urlsweep ended with exit code {figures.exit}, not with 1:\n{said}")
    with (directory / "stdout").open(encoding="utf-8", newline="") as stream:
        return figures, list(csv.DictReader(stream))


def main() -> int:
    """0: exactly the planted pages were reported; 1: they were not; 2: the site cannot be built."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documentation", description=__doc__)
    parser.add_argument("--tree", type=Path, help="a folder of html pages (default: Debian's python3-doc)")
    parser.add_argument(
        "--limit", type=float, default=300.0, help="seconds that urlsweep may take (default: %(default)s)"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that nginx is ended
    prefix = Path(tempfile.mkdtemp(prefix="urlsweep-documentation-"))
    prefix.chmod(0o755)  # started by root, nginx reads its files as nobody
    try:
        tree = (options.tree or find_tree()).resolve()
        pages = pages_of(tree)
        if len(pages) < PLANTED:
            raise DocumentationError(f"{tree} holds {len(pages)} html pages: at least {PLANTED} are needed")
        planted = planted_pages(pages)
        with site(tree, prefix) as base:
            write_sitemaps(prefix, base, sorted([*pages, *planted]))
            figures, rows = sweep(base, prefix, options.limit)
        found = faults(rows, [base + page for page in pages], [base + page for page in planted])
    except (DocumentationError, ProgramMissingError) as error:
        print(f"benchmarks.documentation: {error}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(prefix, ignore_errors=True)
    _show(tree, figures, rows, found)
    return 1 if found else 0


def _show(tree: Path, figures: Figures, rows: Sequence[dict[str, str]], found: Sequence[str]) -> None:
    requests = sum(int(row["attempts"]) for row in rows)
    print(f"{tree}: {len(rows)} rows, {dict(Counter(row['outcome'] for row in rows))}")
    print(f"{figures}; {requests} requests, {requests / figures.wall:.0f} a second, start-up included")
    if not found:
        print(f"exactly the {PLANTED} planted pages were reported missing")
    for sentence in found[:_EXAMPLES]:
        print(f"WRONG {sentence}")
    if len(found) > _EXAMPLES:
        print(f"WRONG and {len(found) - _EXAMPLES} more")


if __name__ == "__main__":
    sys.exit(main())
