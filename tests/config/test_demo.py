"""`termin demo fill`: bookings that a town hall might have."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from calendar_server.ical.appointment import from_ical
from calendar_server.setup import prepare
from calendar_server.storage import reading
from calendar_server.storage.database import Database
from calendar_server.storage.rows import Role
from config import compose, database, secrets
from config.commands.demo import demo
from config.commands.options import EXAMPLE
from config.demo import fill
from config.settings import load

# A Thursday, with nothing but working days in the weeks that follow.
NOW = datetime(2026, 9, 3, 8, tzinfo=UTC)
SETTINGS = load(EXAMPLE)
SECRET = b"0" * 32


@pytest.fixture
def calendars(tmp_path):
    opened = Database.open(database.url(SETTINGS, tmp_path))
    yield prepare(opened, compose.directory(SETTINGS), lambda: NOW)
    opened.close()


def booked(calendars) -> list:
    office = calendars.directory.offices[0]
    with calendars.database.read() as connection:
        view = reading.office_collections(connection, office.id).only(Role.VIEW)
        rows = list(reading.all_items(connection, view))
    return [from_ical(row.text, office.zone) for row in rows]


def run(calendars, **values):
    return fill(calendars, compose.town(SETTINGS), **{"weeks": 3, "seed": 1, "secret": SECRET} | values)


def test_days_fill_up_with_what_citizens_come_for(calendars):
    done = run(calendars)
    found = booked(calendars)
    assert done.booked == len(found) > 100
    assert {one.start.weekday() for one in found} == {0, 2}
    assert {line.id for one in found for line in one.services} >= {"personalausweis", "reisepass"}
    assert all(one.reference and one.name and one.email.endswith("@example.org") for one in found)
    early = sum(one.start < NOW + timedelta(days=7) for one in found)
    late = sum(one.start >= NOW + timedelta(days=14) for one in found)
    assert early > late > 0
    assert done.until == NOW.date() + timedelta(days=22)


def test_the_same_seed_makes_the_same_town(calendars, tmp_path):
    run(calendars)
    (tmp_path / "other").mkdir()
    opened = Database.open(database.url(SETTINGS, tmp_path / "other"))
    other = prepare(opened, compose.directory(SETTINGS), lambda: NOW)
    run(other)
    content = [{(one.uid, one.start, one.name) for one in booked(each)} for each in (calendars, other)]
    assert content[0] == content[1]
    run(other, seed=2)
    opened.close()


def test_a_second_run_adds_nothing_that_would_overfill(calendars):
    first = run(calendars)
    assert run(calendars).booked <= first.booked // 20


def test_an_installation_that_is_none_of_the_demo_is_refused(tmp_path):
    secrets.ensure(tmp_path, SETTINGS.server.secrets, demo=False)
    done = CliRunner().invoke(demo, ["fill", "--data", str(tmp_path), "--config", str(EXAMPLE)])
    assert done.exit_code == 1
    assert "set up without --demo" in done.output
    assert not (tmp_path / "termin.sqlite").exists()


def test_the_command_tells_what_it_did(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "town")
    words = ["fill", "--weeks", "1", "--data", str(tmp_path / "data"), "--config", str(tmp_path / "town")]
    done = CliRunner().invoke(demo, words)
    assert done.exit_code == 0, done.output
    assert "appointments made" in done.output
    assert CliRunner().invoke(demo, ["fill", "--weeks", "0"]).exit_code == 2
