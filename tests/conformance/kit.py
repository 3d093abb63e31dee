"""What the conformance tests need, in a folder and a virtual environment of their own.

python-caldav's tests are only in its source distribution, which is fetched for the version that our own tests use. Their
requirements (and the server tester's) are nobody else's business here, so they aren't in our lock files.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".conformance"
TESTER = "caldav-server-tester==1.7.0"
# What python-caldav's tests import; other servers' packages, which they'd start as well, stay away.
NEEDS = (
    "coverage",
    "httpx",
    "manuel",
    "proxy.py",
    "pyfakefs",
    "pytest",
    "pytest-asyncio",
    "pytest-timeout",
    "tzlocal",
    "vobject",
)


def _pip(python: Path, *words: str) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", *words]
    subprocess.run(command, check=True, timeout=600)


def caldav_version() -> str:
    """The version of python-caldav that our own tests use."""
    return version("caldav")


def python() -> Path:
    """Return the Python of the environment; makes it at the first use and for another version."""
    wanted = f"caldav=={caldav_version()}"
    place = FOLDER / "venv"
    found = place / "bin" / "python"
    stamp = place / "installed"
    content = "\n".join([wanted, TESTER, *NEEDS, sys.version])
    if not stamp.exists() or stamp.read_text("utf-8") != content:
        venv.create(place, with_pip=True, clear=True)
        _pip(found, "install", wanted, TESTER, *NEEDS)
        stamp.write_text(content, "utf-8")
    return found


def sources() -> Path:
    """Return the unpacked source distribution of python-caldav; fetches it at the first use and for another version."""
    name = f"caldav-{caldav_version()}"
    place = FOLDER / name
    if not place.exists():
        words = (
            "download",
            "--no-deps",
            "--no-binary",
            "caldav",
            "--dest",
            str(FOLDER),
            f"caldav=={caldav_version()}",
        )
        _pip(python(), *words)
        with tarfile.open(FOLDER / f"{name}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
    return place
