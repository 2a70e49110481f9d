"""What the tools are sent to: nginx, dnsmasq, and for latency a server of our own, inside the namespace.

Contract: everything that is started is ended by its id when the context ends. All of it runs on the machine's last
processor, the same for every tool; the tools may run on any. Not in here: what the pages are (`pages`).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.programs import end, find_program
from benchmarks.speed.delayed import STATUS_PATH
from benchmarks.speed.pages import ANSWERS, DOMAIN, LOOPBACK, Kind, address_of, hosts_of, name_of
from benchmarks.speed.workloads import Workload
from benchmarks.world.certificates import Authority

START_SECONDS: Final = 20.0
OPEN_FILES: Final = 20_000
CONTROL: Final = f"http://{LOOPBACK}:81"
"""Sitemaps and counts. A port of its own, so that they are served in every workload."""

NGINX_REMEDY: Final = "install Debian's nginx-light"
DNSMASQ_REMEDY: Final = "install Debian's dnsmasq-base"
SITEMAP: Final = "sitemap.xml"

_TTL_SECONDS: Final = 300


class ServerError(RuntimeError):
    """A server did not come up; the message says what it said."""


class Site:
    """What is being served."""

    def __init__(self, directory: Path, authority: Path, status: str, processes: Collection[int] = ()) -> None:
        self.directory = directory
        self.authority = authority  # PEM; for clients to trust
        self.sitemap = f"{CONTROL}/{SITEMAP}"
        self.processes = processes  # the servers'
        self._status = status

    def write_sitemap(self, urls: Iterable[str]) -> None:
        """Put `urls`, which hold nothing to escape, into the sitemap."""
        with (self.directory / SITEMAP).open("w", encoding="ascii") as stream:
            stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
            stream.write('<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n')
            stream.writelines(f"<url><loc>{url}</loc></url>\n" for url in urls)
            stream.write("</urlset>\n")

    def counted(self) -> tuple[int, int]:
        """Requests that the workload's server has answered, and how many of them late, both so far."""
        return _counts(_get(self._status))


@contextmanager
def serving(workload: Workload, directory: Path) -> Iterator[Site]:
    """Serve everything that `workload` needs. `directory` exists and is empty."""
    directory.chmod(0o755)  # started by root, nginx reads the sitemap as nobody
    authority = Authority()
    authority.save(directory / "authority.pem")
    leaf = directory / "leaf.pem"
    leaf.write_bytes(authority.chain([LOOPBACK, f"*.{DOMAIN}"]))
    is_delayed = bool(workload.latency)
    configuration = directory / "nginx.conf"
    configuration.write_text(nginx_configuration(directory, leaf, serves_pages=not is_delayed), encoding="utf-8")
    nginx = find_program("nginx", NGINX_REMEDY)
    status = f"http://{LOOPBACK}{STATUS_PATH}" if is_delayed else f"{CONTROL}{STATUS_PATH}"
    processes = []
    with ExitStack() as stack:
        command = [nginx, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(configuration)]
        started = _running(command, directory / "nginx.log", lambda: _answers(CONTROL + STATUS_PATH))
        processes.append(stack.enter_context(started))
        if is_delayed:
            program = [sys.executable, "-m", "benchmarks.speed.delayed", str(workload.latency), "80"]
            started = _running(program, directory / "delayed.log", lambda: _answers(status))
            processes.append(stack.enter_context(started))
        if workload.hosts:
            processes.append(stack.enter_context(_names(workload.hosts, directory)))
        _check_all_ways(workload, authority=directory / "authority.pem")
        yield Site(directory, directory / "authority.pem", status, processes)


def nginx_configuration(directory: Path, leaf: Path, *, serves_pages: bool) -> str:
    """A whole nginx.conf that touches nothing outside of `directory`, defaults but for numbers of files."""
    temporary = "\n".join(
        f"    {kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""daemon off;
worker_processes 1;
worker_rlimit_nofile {OPEN_FILES};
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections {OPEN_FILES // 2}; }}
http {{
    access_log off;
    default_type text/html;
{temporary}
    server {{
        listen {CONTROL.partition("://")[2]};
        location = {STATUS_PATH} {{ stub_status; }}
        location = /{SITEMAP} {{ root {directory}; types {{ text/xml xml; }} }}
    }}
{_pages(leaf) if serves_pages else ""}}}
"""


def _pages(leaf: Path) -> str:
    locations = "\n".join(
        f"        location /{kind}/ {{ return {status}; }}"
        for kind, status in ANSWERS.items()
        if kind not in (Kind.PAGE, Kind.MOVED)
    )
    return f"""    server {{
        listen 80 backlog=4096;
        listen 443 ssl backlog=4096;
        ssl_certificate {leaf};
        ssl_certificate_key {leaf};
        location /{Kind.PAGE}/ {{ return {ANSWERS[Kind.PAGE]} "ok\\n"; }}
        location /{Kind.MOVED}/ {{ rewrite ^/{Kind.MOVED}/(.*)$ /{Kind.PAGE}/moved-$1 permanent; }}
{locations}
    }}
"""


def _names(count: int, directory: Path) -> AbstractContextManager[int]:
    """dnsmasq, with an address for each of `count` hosts; what else is asked below DOMAIN does not exist."""
    hosts = directory / "hosts"
    hosts.write_text("".join(f"{address_of(number)} {name_of(number)}\n" for number in range(count)), encoding="ascii")
    command = [
        find_program("dnsmasq", DNSMASQ_REMEDY), "--keep-in-foreground", "--conf-file=/dev/null", "--user=root",
        "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}", f"--local=/{DOMAIN}/", f"--local-ttl={_TTL_SECONDS}",
        f"--listen-address={LOOPBACK}", "--bind-interfaces", "--cache-size=10000", "--pid-file=",
    ]  # fmt: skip
    return _running(command, directory / "dnsmasq.log", lambda: _is_known(name_of(count - 1), address_of(count - 1)))


def on_processor(number: int) -> list[str]:
    """What to put before a command, so that it stays on that processor."""
    return [shutil.which("taskset") or "taskset", "--cpu-list", str(number)]


@contextmanager
def _running(command: list[str], log: Path, is_up: Callable[[], bool]) -> Iterator[int]:
    """A server from its first answer on; gives its process."""
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [*on_processor(max(os.sched_getaffinity(0))), *command],
            stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_up():
            if server.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(encoding="utf-8", errors="replace")[-1000:]
                raise ServerError(f"{Path(command[0]).name} did not start serving: {said or 'it said nothing'}")
            time.sleep(0.02)
        yield server.pid  # taskset has become the server
    finally:
        end(server)


def _get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as page:
        text: str = page.read().decode("utf-8", "replace")
    return text


def _answers(url: str) -> bool:
    try:
        _get(url)
    except OSError:
        return False
    return True


def _is_known(name: str, address: str) -> bool:
    try:
        found = socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return False
    return [entry[4][0] for entry in found] == [address]


def _check_all_ways(workload: Workload, authority: Path) -> None:
    """Ask one page as a tool would: servers that do not answer must not be held against one."""
    url = f"{workload.scheme}://{hosts_of(workload.hosts)[-1]}/{Kind.PAGE}/probe"
    command = [
        sys.executable, "-c",
        _ASK_ONE, url, str(authority),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=20)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"").decode("utf-8", "replace")[-500:]
        raise ServerError(f"the servers do not answer {url}: {said}") from error


_ASK_ONE: Final = """
import ssl, sys, urllib.request as r
handler = r.HTTPSHandler(context=ssl.create_default_context(cafile=sys.argv[2]))
r.build_opener(r.ProxyHandler({}), handler).open(sys.argv[1], timeout=10)
"""


def _counts(status: str) -> tuple[int, int]:
    found = re.search(r"^ \d+ \d+ (\d+) $", status, re.MULTILINE)
    late = re.search(r"^late: (\d+)$", status, re.MULTILINE)
    if found is None:
        raise ServerError(f"the server's counts cannot be read: {status[:200]}")
    return int(found[1]), int(late[1]) if late else 0
