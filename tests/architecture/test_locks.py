"""The lock files hold what pyproject.toml asks for, with hashes, from nowhere in particular; each role's host has what it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.imports import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCKS = {"requirements-dev.lock": "dev", "requirements.lock": "all", "requirements-site.lock": "site"}


def wanted(extra: str) -> list[Requirement]:
    found = []
    for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]:
        requirement = Requirement(line)
        if requirement.name == PROJECT["name"]:
            found += [inner for name in sorted(requirement.extras) for inner in wanted(name)]
        else:
            found.append(requirement)
    return found


def locked(file: str) -> dict[str, list[str]]:
    """Versions by name; more than one where markers choose."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)==([^ \\;]+)", (ROOT / file).read_text("utf-8"), re.MULTILINE
    ):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@pytest.mark.parametrize(("file", "extra"), LOCKS.items())
def test_a_lock_satisfies_its_requirements(file: str, extra: str) -> None:
    versions = locked(file)
    missing = [
        str(requirement)
        for requirement in wanted(extra)
        if not any(
            requirement.specifier.contains(version, prereleases=True)
            for version in versions.get(canonicalize_name(requirement.name), [])
        )
    ]
    assert missing == [], "run make lock"


@pytest.mark.parametrize("file", LOCKS)
def test_every_entry_has_a_hash_and_none_a_place(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)[1:]
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"https?://|file:|--index|--find-links| @ ", text)


@pytest.mark.parametrize("file", ["requirements.lock", "requirements-site.lock"])
def test_locks_agree_so_that_one_environment_holds_them_all(file: str) -> None:
    everything = locked("requirements-dev.lock")
    assert {
        name: versions for name, versions in locked(file).items() if everything.get(name) != versions
    } == {}


def test_a_host_of_the_site_has_neither_solvers_nor_a_database() -> None:
    here = locked("requirements-site.lock")
    assert {
        "ortools",
        "pandas",
        "numpy",
        "highspy",
        "sqlalchemy",
        "radicale",
        "psycopg",
    } & here.keys() == set()


@pytest.mark.parametrize("role", ["site", "staff"])
def test_a_host_of_the_site_can_build_it_with_that_alone(role: str, tmp_path) -> None:
    # What isn't in the site's lock can't be imported, as on a host that has nothing else.
    code = f"""
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
here = set({sorted(locked("requirements-site.lock"))!r}) | {{"termin"}}
absent = {{
    module for module, names in packages_distributions().items()
    if not any(name.lower().replace("_", "-").replace(".", "-") in here for name in names)
}}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
import config.commands.serve
from config.commands.options import EXAMPLE
from config.processes.launch import Launch
from config.processes.{role} import build
print(build(Launch(EXAMPLE, Path(sys.argv[1]), True, "127.0.0.1", 1, 2, 3, 4)).name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
