"""The servers that are compared: this one, stock Radicale (multifilesystem) and Xandikos, each as its own documentation starts it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radicale import config as radicale_config
from radicale import storage as radicale_storage

from benchmarks.calendar.asking import ask, request_of
from benchmarks.calendar.events import filling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.calendar.asking import Answer

ROOT = Path(__file__).parents[2]
XANDIKOS = "xandikos==0.4.10"
USER = "bench"
_START_SECONDS = 900
Layout = dict[str, int]
"""The calendars of a server: their names, and how many events each has."""


@dataclass(frozen=True)
class Server:
    """A running server; its calendars lie at `path(name)`."""

    name: str
    version: str
    port: int
    base: str

    def path(self, calendar: str = "") -> str:
        """Return a calendar's path, or that of the collection with all of them."""
        return f"{self.base}/{calendar}/" if calendar else f"{self.base}/"

    def request(self, method: str, path: str, body: str = "", **headers: str) -> Answer:
        """Ask on a connection of its own, so that nobody gains by keeping one open."""
        credentials = base64.b64encode(f"{USER}:{USER}".encode()).decode()
        sent = {
            "Host": f"127.0.0.1:{self.port}",
            "Accept-Encoding": "identity",
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/xml; charset=utf-8",
        }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value}
        return ask(self.port, request_of(method, path, sent, body.encode()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def _process(command: list[str], port: int, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, process_group=0
        )
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"doesn't start: {log.read_text('utf-8', 'replace')[-2000:]}")
                time.sleep(0.1)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _version(python: str, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def termin(folder: Path, layout: Layout) -> Iterator[Server]:
    """This server on SQLite, or on the database that TERMIN_BENCH_DATABASE names."""
    port = _free_port()
    command = [sys.executable, "-m", "benchmarks.calendar.ours", "--folder", str(folder), "--port", str(port)]
    command += ["--layout", json.dumps(layout)]
    with _process(command, port, folder / "log"):
        yield Server("termin", _version(sys.executable, "termin"), port, f"/{USER}")


@contextlib.contextmanager
def radicale(folder: Path, layout: Layout) -> Iterator[Server]:
    """Stock Radicale with its own storage; fsync is on, as it is by default."""
    port = _free_port()
    (folder / "users").write_text(f"{USER}:{USER}\n", "utf-8")
    config = folder / "config"
    config.write_text(
        f"[server]\nhosts = 127.0.0.1:{port}\n[auth]\ntype = htpasswd\nhtpasswd_filename = {folder / 'users'}\n"
        f"htpasswd_encryption = plain\n[storage]\nfilesystem_folder = {folder / 'collections'}\n[logging]\nlevel = error\n",
        "utf-8",
    )
    _fill_radicale(folder / "collections" / "collection-root" / USER, layout, config)
    with _process([sys.executable, "-m", "radicale", "--config", str(config)], port, folder / "log"):
        yield Server("radicale", _version(sys.executable, "radicale"), port, f"/{USER}")


def _fill_radicale(home: Path, layout: Layout, config: Path) -> None:
    """Write the calendars as files. Of several of one size the first is synced once by Radicale's own storage, and the others are copies of it.

    Radicale keeps what it has parsed, and what each event was at the last sync, in files beside them, named by digests of their content. To make them for
    each of 50,000 events anew takes it minutes.
    """
    first: dict[int, Path] = {}
    several = {size for size in layout.values() if list(layout.values()).count(size) > 1}
    for each, size in layout.items():
        calendar = home / each
        if size in first:
            shutil.copytree(first[size], calendar)
            continue
        calendar.mkdir(parents=True)
        (calendar / ".Radicale.props").write_text(json.dumps({"tag": "VCALENDAR"}), "utf-8")
        for name, text in filling(size):
            (calendar / f"{name}.ics").write_bytes(text.encode())
        if size in several:
            storage = radicale_storage.load(radicale_config.load([(str(config), False)]))
            with storage.acquire_lock("r", USER):
                for collection in storage.discover(f"/{USER}/{each}/"):
                    assert isinstance(collection, radicale_storage.BaseCollection)
                    collection.sync()
            first[size] = calendar


def _xandikos_python() -> str:
    """Return the Python of Xandikos' own environment; made at the first time."""
    environment = ROOT / "build" / "bench-xandikos"
    python = environment / "bin" / "python"
    if not (environment / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", XANDIKOS], check=True)
        (environment / "installed").touch()
    return str(python)


@contextlib.contextmanager
def xandikos(folder: Path, layout: Layout) -> Iterator[Server]:
    """Xandikos with its Git storage; it has no authentication of its own."""
    python = _xandikos_python()
    port = _free_port()
    command = [python, "-m", "xandikos.web", "-d", str(folder / "dav"), "-l", "127.0.0.1", "-p", str(port)]
    command += ["--defaults", "--current-user-principal", f"/{USER}/"]
    with _process(command, port, folder / "log"):
        server = Server("xandikos", _version(python, "xandikos"), port, f"/{USER}/calendars")
        for each, size in layout.items():
            made = server.request("MKCALENDAR", server.path(each), Content_Type="")
            if made.status != 201:
                raise RuntimeError(f"MKCALENDAR: {made.status} {made.body[:300]!r}")
            calendar = folder / "dav" / USER / "calendars" / each
            for name, text in filling(size):
                (calendar / f"{name}.ics").write_bytes(text.encode())
            git = [
                "git",
                "-C",
                str(calendar),
                "-c",
                "user.name=bench",
                "-c",
                "user.email=bench@bench.example",
            ]
            subprocess.run([*git, "add", "-A"], check=True, capture_output=True)
            subprocess.run([*git, "commit", "-q", "-m", "fill"], check=True, capture_output=True)
        yield server


KINDS = {"termin": termin, "radicale": radicale, "xandikos": xandikos}
