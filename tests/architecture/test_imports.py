from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.imports import PACKAGES, Import, all_imports, imports_of, within

WORKER = "booking_web.notifications"
WATCH = "booking_web.planning.watch"
"""The worker's other task: it follows the change log as well."""

# What a part may import of ours, besides itself (DESIGN, section 7). The more special parts first.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "calendar_server.ical": (),
    "calendar_server": (
        "calendar_server.ical",
        "optimizer.admission",
        "optimizer.bits",
        "optimizer.instance",
        "optimizer.offers",
        "optimizer.release",
        "optimizer.snapshot",
        "optimizer.why",
    ),
    WORKER: (
        "booking_web",
        "calendar_server.ical",
        "calendar_server.client",
        "calendar_server.storage",
        "optimizer",
    ),
    WATCH: ("booking_web", "calendar_server.client", "calendar_server.storage.changes", "optimizer"),
    "booking_web": ("calendar_server.ical", "calendar_server.client", "optimizer"),
    "optimizer": (),
    "config": PACKAGES,
}

# Who may import a library at all.
ONLY_IN = {
    "radicale": ("calendar_server",),
    "flask": ("booking_web",),
    "flask_babel": ("booking_web",),
    "flask_mail": ("booking_web",),
    "flask_wtf": ("booking_web",),
    "ortools": ("optimizer",),
    "highspy": ("optimizer",),
    "granian": ("config",),
    "click": ("config",),
    "pydantic": ("config",),
}


def part_of(module: str) -> str:
    return next(part for part in MAY_IMPORT if within(module, part))


def broken_directions(imports: list[Import]) -> list[str]:
    wrong = []
    for found in imports:
        if not within(found.name, *PACKAGES):
            continue
        part = part_of(found.module)
        if not within(found.name, part, *MAY_IMPORT[part]) or (
            within(found.name, WORKER) and not within(found.module, WORKER, "config")
        ):
            wrong.append(str(found))
    return wrong


def misplaced_libraries(imports: list[Import]) -> list[str]:
    return [
        str(found)
        for found in imports
        for library, places in ONLY_IN.items()
        if within(found.name, library) and not within(found.module, *places)
    ]


def test_parts_import_only_what_the_design_allows() -> None:
    assert broken_directions(all_imports()) == []


def test_libraries_stay_in_their_parts() -> None:
    assert misplaced_libraries(all_imports()) == []


def test_the_pure_parts_of_the_site_know_no_flask() -> None:
    pure = ("booking_web.booking", "booking_web.town")
    assert [
        str(found) for found in all_imports() if within(found.module, *pure) and within(found.name, "flask")
    ] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("optimizer.admission", "from calendar_server.ical import busy"),
        ("calendar_server.ical.busy", "import calendar_server.client"),
        ("calendar_server.service", "from booking_web import town"),
        ("calendar_server.service", "from optimizer import repair"),
        ("booking_web.views.start", "from calendar_server.storage.database import Database"),
        ("booking_web.views.start", "def f():\n    import config.settings"),
        (
            "booking_web.views.start",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from config import x",
        ),
        ("booking_web.booking.book", "from booking_web.notifications import worker"),
        ("calendar_server.ical.busy", "from .. import client"),
    ],
)
def test_a_forbidden_direction_is_found(module: str, source: str) -> None:
    assert len(broken_directions(imports_of(source, module))) == 1


def test_a_misplaced_library_is_found() -> None:
    assert misplaced_libraries(imports_of("from flask import request", "calendar_server.app")) == [
        "calendar_server.app:1 imports flask.request"
    ]


@pytest.mark.parametrize(
    "module",
    ["optimizer", "optimizer.admission", "calendar_server.service", "calendar_server.client", "config.cli"],
)
def test_solvers_are_loaded_only_where_a_plan_is_computed(module: str) -> None:
    code = f"import {module}, sys; print(sorted({{'ortools', 'highspy', 'numpy', 'pandas'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
