"""Bringing a database into line with the configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from calendar_server.service import Actor, Calendars
from calendar_server.setup import fingerprint, prepare
from calendar_server.storage import reading
from calendar_server.upkeep import Upkeep
from tests.support.town import directory, office

ROOT = Path(__file__).parents[2]


def incarnation(service: Calendars) -> str | None:
    with service.database.read() as connection:
        return reading.meta_value(connection, "busy_incarnation")


def test_the_fingerprint_is_the_same_in_every_process():
    code = "from calendar_server.setup import fingerprint; from tests.support.town import directory; print(fingerprint(directory()))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert found == {fingerprint(directory())}


def test_readers_of_the_busy_feed_go_on_after_a_restart(service, clock):
    before = incarnation(service)
    prepare(service.database, directory(), clock)
    assert incarnation(service) == before


def test_readers_of_the_busy_feed_begin_anew_when_working_times_change(service, clock):
    before = incarnation(service)
    one, *others = office().clerks
    prepare(
        service.database,
        directory(replace(office(), clerks=(replace(one, working_times=()), *others))),
        clock,
    )
    assert incarnation(service) != before


def test_drawn_windows_are_not_replaced_by_the_configuration(service, clock):
    with service.database.read() as connection:
        names = [
            name for name, _ in reading.names_and_etags(connection, service.find("buergerbuero/opening"))
        ]
    assert names
    for name in names:
        service.delete("buergerbuero/opening", name, Actor("lead"))
    clock.advance(days=400)
    Upkeep(service).prune()
    prepare(service.database, directory(), clock)
    with service.database.read() as connection:
        assert list(reading.names_and_etags(connection, service.find("buergerbuero/opening"))) == []
