"""`termin import` and `export` by files as calendar programs write them."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from icalendar import Calendar

from calendar_server.ical.appointment import to_ical
from calendar_server.plans import Plan, PlanKind, Plans, Step
from calendar_server.service import Actor
from calendar_server.setup import prepare
from calendar_server.storage import reading
from calendar_server.storage.changes import IMPORTED, ChangeLog
from calendar_server.storage.database import Database
from config import compose, database
from config.calendars import open_calendars
from config.commands.options import EXAMPLE
from config.commands.transfer import export, import_
from config.demo import fill
from config.settings import load
from tests.support.town import BERLIN, appointment

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = load(EXAMPLE)
EVENT = """BEGIN:VEVENT
UID:{uid}
DTSTAMP:20260101T000000Z
DTSTART:{start}
DTEND:20261001T100000Z
SUMMARY:Besprechung
END:VEVENT
"""


def stream(*events: str) -> str:
    return "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nMETHOD:PUBLISH\n" + "".join(events) + "END:VCALENDAR\n"


def event(uid: str, start: str = "20261001T080000Z", **changes: str) -> str:
    text = EVENT.format(uid=uid, start=start)
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def begun(folder: Path) -> Path:
    """An installation of which nothing is there yet but its calendars."""
    with open_calendars(load(EXAMPLE), folder, begin=True):
        return folder


@pytest.fixture
def data(tmp_path):
    return begun(tmp_path / "data")


def run(command, data, *words: str):
    return CliRunner().invoke(command, [*words, "--data", str(data), "--config", str(EXAMPLE)])


def uids(data, calendar: str = "clerk1/calendar") -> set[str]:
    opened = Database.open(database.url(SETTINGS, data))
    calendars = prepare(opened, compose.directory(SETTINGS), lambda: datetime.now(UTC))
    with opened.read() as connection:
        found = {row.uid for row in reading.all_items(connection, calendars.find(calendar))}
    opened.close()
    return found


def test_a_whole_calendar_comes_in_and_goes_out(tmp_path, data):
    (tmp_path / "a.ics").write_text(stream(event("a"), event("b")))
    (tmp_path / "b.ics").write_text(stream(event("c")))
    done = run(import_, data, str(tmp_path / "a.ics"), str(tmp_path / "b.ics"), "--calendar", "clerk1")
    assert (done.exit_code, done.output) == (0, "3 new, 0 known, in clerk1/calendar\n")
    out = run(export, data, "--calendar", "/clerk1/calendar/")
    assert {str(one["UID"]) for one in Calendar.from_ical(out.stdout).walk("VEVENT")} == {"a", "b", "c"}
    again = run(import_, data, str(tmp_path / "a.ics"), "--calendar", "clerk1")
    assert again.output == "0 new, 2 known, in clerk1/calendar\n"


def test_all_or_nothing_and_every_reason(tmp_path, data):
    (tmp_path / "a.ics").write_text(
        stream(
            event("good"),
            event("bad", start="nonsense"),
            event("loop", SUMMARY="RRULE:FREQ=DAILY;INTERVAL=0\nSUMMARY"),
        )
    )
    done = run(import_, data, str(tmp_path / "a.ics"), "--calendar", "clerk1")
    assert done.exit_code == 1
    assert "bad: valid-calendar-data" in done.output
    assert "loop: " in done.output
    assert "nothing is stored: 2" in done.output
    assert uids(data) == set()


def test_appointments_go_over_to_another_installation(tmp_path, data):
    opened = Database.open(database.url(SETTINGS, data))
    calendars = prepare(opened, compose.directory(SETTINGS), lambda: datetime.now(UTC))
    fill(calendars, compose.town(SETTINGS), weeks=1, seed=1, secret=b"0" * 32)
    opened.close()
    view = "buergerbuero/appointments"
    file = tmp_path / "all.ics"
    assert run(export, data, "--calendar", view, "--output", str(file)).exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done = run(import_, begun(tmp_path / "other"), str(file), "--calendar", view)
    assert done.exit_code == 0, done.output
    assert uids(tmp_path / "other", view) == uids(data, view) != set()
    again = run(import_, tmp_path / "other", str(file), "--calendar", view)
    assert again.exit_code == 0, again.output


def test_an_office_with_what_was_cancelled_goes_over_by_meaning(tmp_path, data):
    opened = Database.open(database.url(SETTINGS, data))
    calendars = prepare(opened, compose.directory(SETTINGS), lambda: datetime.now(UTC))
    fill(calendars, compose.town(SETTINGS), weeks=1, seed=1, secret=b"0" * 32)
    view = "buergerbuero/appointments"
    with opened.read() as connection:
        row = next(iter(reading.all_items(connection, calendars.find(view))))
    plan = Plan(
        id="",
        office="buergerbuero",
        kind=PlanKind.REPAIR,
        steps=(
            Step(row.uid, row.etag, _holder(calendars, row), row.first, "clerk1", row.first, cancel=True),
        ),
        objective={},
        proven_optimal=True,
        seconds=0.0,
    )
    plans = Plans(calendars)
    plans.apply(plans.propose(plan, Actor("lead")).id, Actor("lead"))
    opened.close()
    files = [tmp_path / "one.ics", tmp_path / "two.ics"]
    assert run(export, data, "--calendar", view, "--output", str(files[0])).exit_code == 0
    done = run(import_, begun(tmp_path / "other"), str(files[0]), "--calendar", view)
    assert done.exit_code == 0, done.output
    assert run(export, tmp_path / "other", "--calendar", view, "--output", str(files[1])).exit_code == 0
    first, second = (_meaning(file) for file in files)
    assert first == second
    assert "CANCELLED" in {status for *_, status in first}


def _holder(calendars, row) -> str:
    with calendars.database.read() as connection:
        known = reading.office_collections(connection, "buergerbuero")
        return known.by_id(row.collection_id).owner


def _meaning(file: Path) -> list[tuple[str, ...]]:
    """What each appointment of a stream says, but for what a server counts and stamps."""
    return sorted(
        (
            str(event["UID"]),
            str(event["DTSTART"].dt),
            str(event["DTEND"].dt),
            str(event["SUMMARY"]),
            str(event.get("X-TERMIN-SERVICE")),
            str(event.get("X-TERMIN-EMAIL")),
            str(event.get("STATUS")),
        )
        for event in Calendar.from_ical(file.read_bytes()).walk("VEVENT")
    )


@pytest.mark.parametrize("options", [(), ("--mail",)])
def test_an_import_says_whether_citizens_are_told(tmp_path, data, options):
    view = "buergerbuero/appointments"
    value = appointment("a@t", datetime.now(UTC).replace(microsecond=0) + timedelta(days=3))
    (tmp_path / "a.ics").write_text(to_ical(replace(value, cancelled=True), now=datetime.now(UTC)))
    done = run(import_, data, str(tmp_path / "a.ics"), "--calendar", view, *options)
    assert done.exit_code == 0, done.output
    opened = Database.open(database.url(SETTINGS, data))
    changes = ChangeLog(opened, BERLIN).read("buergerbuero", 0)
    actors = {change.actor for change in changes if change.uid == "a@t"}
    opened.close()
    assert actors == {"termin" if options else IMPORTED}


@pytest.mark.parametrize(
    ("text", "calendar", "told"),
    [
        ("BEGIN:VCALENDAR\nnonsense\nEND:VCALENDAR\n", "clerk1", "content line 2"),
        (stream(), "nobody", "no calendar 'nobody'"),
        (stream(event("a")), "buergerbuero/busy", "no calendar"),
        (None, "clerk1", "No such file"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, data, text, calendar, told):
    if text is not None:
        (tmp_path / "x.ics").write_text(text)
    done = run(import_, data, str(tmp_path / "x.ics"), "--calendar", calendar)
    assert (done.exit_code, told in done.output) == (1, True), done.output
