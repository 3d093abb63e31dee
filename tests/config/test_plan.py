"""`termin plan` on a database with appointments in it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from click.testing import CliRunner

from calendar_server.ical.appointment import Appointment, ServiceLine, from_ical, to_ical
from calendar_server.service import Actor
from calendar_server.setup import prepare
from calendar_server.storage import reading
from calendar_server.storage.database import Database
from config import compose, database
from config.commands.options import EXAMPLE
from config.commands.plan import plan
from config.settings import load


@pytest.fixture(scope="module")
def monday():
    """A Monday in the demo town that is no public holiday, some weeks ahead: the command itself has no clock to set."""
    office = compose.directory(load(EXAMPLE)).offices[0]
    day = datetime.now(office.zone).date() + timedelta(days=14)
    while (
        day.weekday() != 0
        or (day.month, day.day) in {(1, 1), (5, 1), (10, 3), (11, 1), (12, 25), (12, 26)}
        or day.month in {3, 4, 5, 6}
    ):
        day += timedelta(days=1)
    return datetime.combine(day, time(9), office.zone)


@pytest.fixture
def data(tmp_path, monday):
    """A data folder in which both clerks who may do passports have one at the same time."""
    settings = load(EXAMPLE)
    offices = compose.directory(settings)
    opened = Database.open(database.url(settings, tmp_path))
    calendars = prepare(opened, offices, lambda: datetime.now(UTC))
    value = Appointment(
        "a@t",
        "buergerbuero",
        monday,
        monday + timedelta(minutes=20),
        offices.offices[0].zone,
        (ServiceLine("reisepass"),),
    )
    for uid in ("a@t", "b@t"):
        text = to_ical(replace(value, uid=uid), now=monday)
        calendars.put("buergerbuero/appointments", f"{uid}.ics", text, Actor("site", authoritative=True))
    opened.close()
    return tmp_path


def run(data, *words: str):
    return CliRunner().invoke(plan, [*words, "--data", str(data), "--config", str(EXAMPLE)])


def holder(data, uid: str) -> str:
    opened = Database.open(database.url(load(EXAMPLE), data))
    with opened.read() as connection:
        row = reading.booking(connection, "buergerbuero", uid)
        found = reading.office_collections(connection, "buergerbuero").by_id(row.collection_id).owner
    opened.close()
    return found


def absences(data, clerk: str) -> list[str]:
    opened = Database.open(database.url(load(EXAMPLE), data))
    with opened.read() as connection:
        where = reading.collection(connection, f"{clerk}/calendar")
        found = [row.uid for row in reading.all_items(connection, where) if not row.kind.is_booking]
    opened.close()
    return found


def test_repair_is_planned_applied_and_undone(data, monday):
    ill = holder(data, "a@t")
    day = str(monday.date())
    planned = run(
        data, "repair", "--office", "buergerbuero", "--clerk", ill, "--from", day, "--to", day, "--json"
    )
    assert planned.exit_code == 0, planned.output
    made = json.loads(planned.output)
    assert {
        "id",
        "office",
        "cancelled",
        "moved",
        "reassigned",
        "objective",
        "proven_optimal",
        "seconds",
    } <= set(made)
    assert [*made["cancelled"], *made["moved"], *made["reassigned"]]
    elsewhere = [each for each in made["moved"] if each["from_clerk"] != each["to_clerk"]]
    assert made["objective"]["clerk_changes"] == len(made["reassigned"]) + len(elsewhere)
    assert holder(data, "a@t") == ill
    assert json.loads(run(data, "apply", made["id"], "--json").output)["state"] == "applied"
    assert holder(data, "a@t") != ill or made["moved"]
    assert json.loads(run(data, "undo", made["id"], "--json").output)["state"] == "undone"
    assert holder(data, "a@t") == ill
    assert "undone" in run(data, "list", "--office", "buergerbuero").output


def test_repair_with_apply_is_one_step(data, monday):
    ill = holder(data, "a@t")
    day = str(monday.date())
    done = run(
        data,
        "repair",
        "--office",
        "buergerbuero",
        "--clerk",
        ill,
        "--from",
        day,
        "--to",
        day,
        "--apply",
        "--json",
    )
    made = json.loads(done.output)
    assert made["state"] == "applied"
    assert absences(data, ill) == [f"absence-{made['id']}"]
    assert run(data, "undo", made["id"]).exit_code == 0
    assert absences(data, ill) == []


def test_a_plan_says_what_it_is_about_in_words(data, monday, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    ill, day = holder(data, "a@t"), str(monday.date())
    said = run(data, "repair", "--office", "buergerbuero", "--clerk", ill, "--from", day, "--to", day).output
    assert "is away from" in said
    for word in ("a@t", "no address", "not-eligible", "Sabine Hengsbach"):
        assert word in said
    assert "…" not in said


def test_a_plan_that_no_longer_fits_is_made_anew(data, monday):
    ill, day = holder(data, "a@t"), str(monday.date())
    words = ("--office", "buergerbuero", "--clerk", ill, "--from", day, "--to", day)
    first, second = (json.loads(run(data, "repair", *words, "--json").output)["id"] for _ in range(2))
    assert run(data, "apply", first).exit_code == 0
    answer = run(data, "apply", second)
    assert answer.exit_code == 1
    anew = re.search(r"termin plan apply (\w+)", answer.output)[1]
    assert "dismissed" in run(data, "show", second).output
    assert run(data, "apply", anew).exit_code == 0


def test_what_stands_in_the_way_of_undoing_is_named(data, monday):
    ill, day = holder(data, "a@t"), str(monday.date())
    words = ("--office", "buergerbuero", "--clerk", ill, "--from", day, "--to", day)
    made = json.loads(run(data, "repair", *words, "--apply", "--json").output)["id"]
    opened = Database.open(database.url(load(EXAMPLE), data))
    calendars = prepare(opened, compose.directory(load(EXAMPLE)), lambda: datetime.now(UTC))
    calendars.delete("buergerbuero/appointments", "a@t.ics", Actor("site", authoritative=True))
    opened.close()
    refused = run(data, "undo", made)
    assert refused.exit_code == 1
    assert "a@t: gone" in refused.output
    assert "--rest" in refused.output
    assert absences(data, ill) == [f"absence-{made}"]
    assert "Not undone: a@t (gone)" in run(data, "undo", made, "--rest").output
    assert absences(data, ill) == []


def test_balance_is_a_plan_with_a_curve_to_choose_from(data, monday):
    day = str(monday.date())
    words = ["balance", "--office", "buergerbuero", "--from", day, "--to", day]
    assert "Reassignments" in run(data, *words).output
    made = json.loads(run(data, *words, "--json").output)
    assert (made["kind"], made["moved"], made["cancelled"]) == ("balance", [], [])
    assert json.loads(run(data, *words, "--changes", "0", "--json").output)["reassigned"] == []
    late = json.loads(run(data, *words, "--seconds", "0", "--json").output)
    assert (late["reassigned"], late["proven_optimal"]) == ([], False)


def stored_plans(data) -> int:
    return run(data, "list", "--office", "buergerbuero").output.count("balance")


def test_what_can_not_be_evened_out_is_said_and_no_plan_is_stored(data, monday):
    empty, day = str((monday + timedelta(days=1)).date()), str(monday.date())
    words = ["balance", "--office", "buergerbuero", "--from", empty, "--to", empty]
    for more in ([], ["--apply"]):
        found = run(data, *words, *more)
        assert (found.exit_code, "the work is as even as it can be" in found.output) == (0, True)
    nothing = json.loads(run(data, *words, "--json").output)
    assert (nothing["id"], nothing["reassigned"], nothing["state"]) == ("", [], "")
    words = ["balance", "--office", "buergerbuero", "--from", day, "--to", day]
    assert "found in that time" in run(data, *words, "--seconds", "0").output
    assert stored_plans(data) == 0


def test_too_few_reassignments_to_even_anything_out_are_no_plan(data, monday):
    """Both appointments lie with one clerk, so that one reassignment would help."""
    opened = Database.open(database.url(load(EXAMPLE), data))
    calendars = prepare(opened, compose.directory(load(EXAMPLE)), lambda: datetime.now(UTC))
    with opened.read() as connection:
        row = reading.booking(connection, "buergerbuero", "a@t")
        office = calendars.directory.office("buergerbuero")
        home = next(
            clerk.id
            for clerk in office.clerks
            if reading.collection(connection, f"{clerk.id}/calendar").id == row.collection_id
        )
    value = from_ical(row.text, office.zone)
    later = replace(value.at(monday + timedelta(hours=1)), uid="c@t", services=(), summary="c")
    calendars.put(f"{home}/calendar", "c@t.ics", to_ical(later, now=monday), Actor(home))
    opened.close()
    day = str(monday.date())
    words = ["balance", "--office", "buergerbuero", "--from", day, "--to", day]
    assert "so few reassignments" in run(data, *words, "--changes", "0").output
    assert stored_plans(data) == 0
    assert run(data, *words).exit_code == 0
    assert stored_plans(data) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["repair", "--office", "x", "--clerk", "clerk1", "--from", "2026-12-07", "--to", "2026-12-07"],
            "no office 'x'",
        ),
        (
            [
                "repair",
                "--office",
                "buergerbuero",
                "--clerk",
                "x",
                "--from",
                "2026-12-07",
                "--to",
                "2026-12-07",
            ],
            "no clerk 'x'",
        ),
        (
            [
                "repair",
                "--office",
                "buergerbuero",
                "--clerk",
                "clerk1",
                "--from",
                "now",
                "--to",
                "2026-12-07",
            ],
            "--from",
        ),
        (
            [
                "repair",
                "--office",
                "buergerbuero",
                "--clerk",
                "clerk1",
                "--from",
                "2026-12-08",
                "--to",
                "2026-12-07",
            ],
            "after --from",
        ),
        (
            ["balance", "--office", "buergerbuero", "--from", "2026-12-08", "--to", "2026-12-07"],
            "must not be before --from",
        ),
        (
            [
                "balance",
                "--office",
                "buergerbuero",
                "--from",
                "2026-12-07",
                "--to",
                "2026-12-07",
                "--seconds",
                "nan",
            ],
            "'nan' is no number of seconds",
        ),
        (
            [
                "balance",
                "--office",
                "buergerbuero",
                "--from",
                "2026-12-07",
                "--to",
                "2026-12-07",
                "--seconds",
                "-3",
            ],
            "-3.0 is not in the range 0<=x<=3600",
        ),
        (["show", "nothing"], "no such plan"),
    ],
)
def test_what_is_wrong_is_said(data, words, message):
    done = run(data, *words)
    assert done.exit_code in {1, 2}
    assert message in done.output


def test_an_absence_that_ends_before_it_begins_is_refused_also_in_the_hour_that_is_skipped(data):
    """At half past two on the night of the change it's half past three already."""
    for start, end in (("2027-03-28T02:30", "2027-03-28T03:00"), ("2027-03-28", "2027-03-27")):
        done = run(
            data, "repair", "--office=buergerbuero", "--clerk=clerk1", f"--from={start}", f"--to={end}"
        )
        assert (done.exit_code, "it must be after --from" in done.output) == (2, True)
