"""`termin verify` on a town that is as it should be, and on one that isn't."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from booking_web.notifications import store
from calendar_server.setup import prepare
from calendar_server.storage.database import Database
from calendar_server.storage.schema import objects
from config import compose, database
from config.commands.options import EXAMPLE
from config.commands.verify import verify
from config.demo import fill
from config.settings import load

SETTINGS = load(EXAMPLE)


@pytest.fixture
def data(tmp_path):
    opened = Database.open(database.url(SETTINGS, tmp_path))
    calendars = prepare(opened, compose.directory(SETTINGS), lambda: datetime.now(UTC))
    fill(calendars, compose.town(SETTINGS), weeks=1, seed=1, secret=b"0" * 32)
    opened.close()
    return tmp_path


def run(data, *words: str):
    return CliRunner().invoke(verify, ["--data", str(data), "--config", str(EXAMPLE), *words])


def test_a_town_that_is_as_it_should_be(data):
    done = run(data)
    assert (done.exit_code, done.output) == (0, "everything is as it should be\n")


def test_a_folder_without_data_is_not_as_it_should_be(tmp_path):
    done = run(tmp_path / "typo")
    assert done.exit_code == 1
    assert "there is no data in" in done.output
    assert not (tmp_path / "typo").exists()


def test_what_is_broken_is_told_with_its_place(data):
    opened = Database.open(database.url(SETTINGS, data))
    with opened.write() as connection:
        connection.execute(update(objects).values(size=1))
    opened.close()
    done = run(data)
    assert done.exit_code == 1
    assert "etag-of-text: buergerbuero/opening/" in done.output
    assert "broken invariants" in done.output
    assert {one["rule"] for one in json.loads(run(data, "--json").stdout)} == {"etag-of-text"}


def test_a_worker_that_is_ahead_of_the_calendars_would_miss_mails(data):
    worker = Database.open(database.worker_url(SETTINGS, data))
    store.migrate(worker)
    with store.Store(worker).writing() as writing:
        writing.set_cursor("buergerbuero", 10_000)
    worker.close()
    done = run(data)
    assert (done.exit_code, "changes-followed: buergerbuero" in done.output) == (1, True)
