"""Run python-caldav's own tests and caldav-server-tester against `termin serve`: `python -m tests.conformance`.

Prints counts, writes benchmarks/results/conformance.json, and exits with 1 if a test fails or fewer than GOAL features are full.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

import click

from tests.conformance import kit
from tests.conformance.features import DECLARED, LEFT_OUT
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "conformance.json"
GOAL = 96
SUITES = ("test_caldav", "test_async_integration")
ACCOUNTS = ("clerk1", "clerk2", "clerk3")
PASSWORD = "demo"
_READY_SECONDS = 120


@dataclass
class Counts:
    """How one test module went; `failures` are its tests' names, `reasons` why tests were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def _ready(url: str) -> bool:
    try:
        with urlopen(f"{url}readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run the demo town's calendar server as an operator would, with its data in `folder`; yields its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    words = [str(Path(sys.executable).with_name("termin")), "serve", "--demo", "--role", "calendar"]
    words += ["--dav-port", str(port), "--data", str(folder / "data")]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, cwd=ROOT)
    try:
        end = time.monotonic() + _READY_SECONDS
        while not _ready(url):
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError((folder / "server.log").read_text("utf-8"))
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _configure(sources: Path, url: str) -> None:
    def user(name: str) -> dict[str, Any]:
        return {"url": url, "username": name, "password": PASSWORD}

    server = {"type": "external", "enabled": True, "features": DECLARED, **user(ACCOUNTS[0])}
    server["scheduling_users"] = [user(name) for name in ACCOUNTS]
    file = sources / "tests" / "caldav_test_servers.json"
    file.write_text(json.dumps({"test-servers": {"termin": server}}), "utf-8")


def _counts(report: Path, name: str) -> Counts:
    counts = Counts()
    for case in ET.parse(report).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts.failed += 1
            counts.failures.append(f"{name}::{case.get('name')}")
        elif skipped is not None:
            counts.skipped += 1
            counts.reasons.append(f"{case.get('name')}: {skipped.get('message')}")
        else:
            counts.passed += 1
    return counts


def run_suite(name: str, url: str, folder: Path) -> Counts:
    """Run one of python-caldav's test modules."""
    sources = kit.sources()
    _configure(sources, url)
    report = folder / f"{name}.xml"
    words = [
        str(kit.python()),
        "-m",
        "pytest",
        f"tests/{name}.py",
        "-q",
        "--timeout=120",
        f"--junitxml={report}",
    ]
    for test in LEFT_OUT:
        words += ["--deselect", f"tests/{test}"]
    words += ["-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"]
    # These tests call a method that the library itself deprecates, and take every warning for an error.
    words += ["-W", "ignore:principals() is deprecated:DeprecationWarning"]
    environment = {**os.environ, "PYTHON_CALDAV_TEST_EMBEDDED": "0", "PYTHON_CALDAV_TEST_DOCKER": "0"}
    with (folder / f"{name}.log").open("wb") as log:
        subprocess.run(words, cwd=sources, stdout=log, stderr=log, env=environment, check=False, timeout=1800)
    if not report.exists():
        raise RuntimeError((folder / f"{name}.log").read_text("utf-8"))
    return _counts(report, name)


def probe(url: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Return what caldav-server-tester finds: feature to its verdict."""
    file = folder / "features.json"
    script = Path(__file__).with_name("probe.py")
    words = [str(kit.python()), str(script), url, PASSWORD, str(file), *ACCOUNTS]
    subprocess.run(words, check=True, timeout=1800, cwd=folder)
    found: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"))
    return found


def main() -> int:
    """Run everything; the exit status."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    folder = Path(tempfile.mkdtemp(prefix="termin-conformance-"))
    kit.FOLDER.mkdir(exist_ok=True)
    with served(folder) as url:
        suites = {name: run_suite(name, url, folder) for name in SUITES}
        features = probe(url, folder)
    full = [name for name, verdict in features.items() if verdict.get("support") == "full"]
    other = {name: verdict for name, verdict in features.items() if name not in full}
    for name, counts in suites.items():
        click.echo(f"{name}: {counts.passed} pass, {counts.failed} fail, {counts.skipped} skip")
        for failure in counts.failures:
            click.echo(f"  failed: {failure}")
    for test, reason in LEFT_OUT.items():
        click.echo(f"left out: {test} ({reason})")
    click.echo(f"caldav-server-tester: {len(full)} of {len(features)} features full (goal: {GOAL})")
    for name, verdict in sorted(other.items()):
        click.echo(f"  {name}: {verdict.get('support', verdict)}")
    result = {
        "caldav": kit.caldav_version(),
        "tester": kit.TESTER.partition("==")[2],
        "left_out": LEFT_OUT,
        "suites": {name: asdict(counts) for name, counts in suites.items()},
        "features": {"full": len(full), "all": len(features), "goal": GOAL, "other": other},
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    good = len(full) >= GOAL and not any(counts.failed for counts in suites.values())
    click.echo("as it should be" if good else f"logs: {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
