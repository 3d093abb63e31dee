"""`termin plan whatif` on a database with appointments in it."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import func, select

from calendar_server.storage.database import Database
from calendar_server.storage.schema import changes, plans
from config import database
from config.commands.options import EXAMPLE
from config.settings import load
from tests.config.test_plan import data, monday, run  # noqa: F401 - fixtures

INVENTED = ("--demand", "generated", "--per-week", "200")


def whatif(data, *words: str):  # noqa: F811 - the fixture that was imported
    return run(data, "whatif", "--office", "buergerbuero", *words)


def state(data) -> tuple[int, int]:  # noqa: F811 - the fixture that was imported
    opened = Database.open(database.url(load(EXAMPLE), data))
    with opened.read() as connection:
        found = tuple(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (changes, plans)
        )
    opened.close()
    return found


def test_thursday_afternoon_brings_more(data):  # noqa: F811 - the fixture that was imported
    before = state(data)
    result = whatif(data, "--window", "thu 14:00-18:00", *INVENTED, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["more_served"] == found["after"]["served"] - found["before"]["served"] > 0
    assert {each["service"] for each in found["first_free"]} >= {"reisepass", "fundbuero"}
    assert state(data) == before, "asking changes nothing"
    assert whatif(data, "--window", "thu 14:00-18:00", *INVENTED, "--json").stdout == result.stdout


def test_one_more_clerk_for_passports(data):  # noqa: F811 - the fixture that was imported
    result = whatif(data, "--new-clerk", "reisepass,personalausweis", "--like", "clerk1", *INVENTED)
    assert result.exit_code == 0, result.output
    assert "Appointments that fit" in result.stdout
    assert "more appointments" in result.stdout


def test_without_a_past_it_says_so(data):  # noqa: F811 - the fixture that was imported
    result = whatif(data, "--window", "thu 14:00-18:00")
    assert result.exit_code == 1
    assert "try --demand generated" in result.stderr


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 2, "either --window or --new-clerk"),
        (("--window", "thu 14:00-18:00", "--new-clerk", "reisepass"), 2, "either --window or --new-clerk"),
        (("--window", "thursday afternoon"), 2, "isn't like"),
        (("--window", "thu 14:00-28:00"), 2, "isn't"),
        (("--window", "thu 18:00-14:00", *INVENTED), 1, "must end after it starts"),
        (("--window", "thu 14:00-18:00", "--clerk", "nobody"), 1, "no clerk 'nobody'"),
        (("--new-clerk", "mondflug", "--like", "clerk1"), 1, "no service 'mondflug'"),
        (("--new-clerk", "reisepass"), 2, "--like"),
        (("--new-clerk", "reisepass", "--like", "nobody"), 1, "no clerk 'nobody'"),
    ],
)
def test_nonsense_is_told(data, words, status, message):  # noqa: F811 - the fixture that was imported
    result = whatif(data, *words)
    assert result.exit_code == status
    assert message in result.stderr
