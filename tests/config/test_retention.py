"""`termin retention run` on a database with an appointment that is long over."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from click.testing import CliRunner
from sqlalchemy import select

from calendar_server.ical.appointment import Appointment, ServiceLine, to_ical
from calendar_server.service import Actor
from calendar_server.setup import prepare
from calendar_server.storage.database import Database
from calendar_server.storage.schema import archive
from config import compose, database
from config.commands.options import EXAMPLE
from config.commands.retention import retention
from config.settings import load

LONG_AGO = timedelta(days=50)


def test_what_is_over_for_long_is_deleted_and_told(tmp_path):
    settings = load(EXAMPLE)
    offices = compose.directory(settings)
    opened = Database.open(database.url(settings, tmp_path))
    start = datetime(2026, 6, 8, 9, tzinfo=offices.offices[0].zone)
    calendars = prepare(opened, offices, lambda: start - LONG_AGO)
    value = Appointment(
        "a@t",
        "buergerbuero",
        start,
        start + timedelta(minutes=20),
        offices.offices[0].zone,
        (ServiceLine("reisepass"),),
        name="Erika Mustermann",
    )
    text = to_ical(value, now=start - LONG_AGO)
    calendars.put("buergerbuero/appointments", "a@t.ics", text, Actor("site", authoritative=True))
    run = ["run", "--data", str(tmp_path), "--config", str(EXAMPLE), "--json"]
    assert datetime.now(UTC) > start + LONG_AGO
    done = CliRunner().invoke(retention, run)
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) | {"pruned": 0} == {"archived": 1, "erased": 1, "pruned": 0, "told": 0}
    with opened.read() as connection:
        [row] = connection.execute(select(archive)).all()
    assert (row.text, row.uid, row.services, row.erased) == ("", "", "reisepass", True)
    opened.close()
    assert b"Mustermann" not in b"".join(
        file.read_bytes() for file in tmp_path.iterdir() if file.name.startswith("termin.sqlite")
    )
