"""How many mails leave in a second: `python -m benchmarks.notifications [--mails N] [--database URL]`.

Everything is as it is in the worker: the outbox in a database (SQLite with durable commits unless told otherwise), every mail
claimed, built, sent over one kept SMTP connection on loopback, and noted as sent. The receiving end is aiosmtpd in a process of its own.
Also measured: writing mails (from a decision to the outbox). Results go to benchmarks/results/notifications.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from booking_web.notifications.letters import Letters
from booking_web.notifications.mails import compose
from booking_web.notifications.sender import Sender
from booking_web.notifications.smtp import Security, SmtpSettings, SmtpTransport
from booking_web.notifications.store import Store, migrate
from booking_web.notifications.told import decide
from calendar_server.ical.appointment import Appointment, ServiceLine
from calendar_server.storage.database import Database
from config import compose as composing
from config.settings import load

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "notifications.json"
SECRET = b"a secret of thirty-two characters"
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 12, 1, 11, tzinfo=UTC)
GOAL = 100

RECEIVER = """
import asyncio
from aiosmtpd.smtp import SMTP
class Sink:
    async def handle_DATA(self, server, session, envelope):
        return "250 taken"
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), hostname="mail.test"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def appointments(count: int, host: str) -> list[Appointment]:
    """Appointments of different citizens, with documents of two services."""
    begin = datetime(2026, 12, 7, 8, tzinfo=BERLIN)
    return [
        Appointment(
            uid=f"{number:026d}".translate(str.maketrans("0123456789", "abcdefghij")) + f"@{host}",
            office="buergerbuero",
            start=begin + timedelta(minutes=15 * (number % 32)),
            end=begin + timedelta(minutes=15 * (number % 32) + 30),
            zone=BERLIN,
            services=(ServiceLine("reisepass", 2), ServiceLine("beglaubigung")),
            name=f"Jürgen Muster {number}",
            email=f"citizen{number}@example.org",
            reference="K7QM-3XPD",
        )
        for number in range(count)
    ]


def fill(store: Store, count: int) -> float:
    """Put `count` confirmations into the outbox, in transactions of 50 as the follower does; return the seconds it took."""
    town = composing.town(load(ROOT / "config" / "meschede", people=False))
    letters = Letters(town, SECRET)
    todo = appointments(count, town.host)
    begin = time.perf_counter()
    for first in range(0, count, 50):
        with store.writing() as writing:
            for one in todo[first : first + 50]:
                writing.standing(one.office, one.uid)
                decision = decide(None, one, office=one.office, now=NOW)
                assert decision is not None
                writing.replace(decision, compose(decision, letters, town, now=NOW), now=NOW)
            writing.set_cursor("buergerbuero", first + 50)
    return time.perf_counter() - begin


def drain(store: Store, port: int, count: int) -> float:
    """Send all that waits; return the seconds it took."""
    town = composing.town(load(ROOT / "config" / "meschede", people=False))
    transport = SmtpTransport(SmtpSettings("127.0.0.1", port, Security.NONE))
    sender = Sender(store, transport, town.reminder, lambda: NOW)
    begin = time.perf_counter()
    sent = 0
    while step := sender.step():
        sent += step
    seconds = time.perf_counter() - begin
    sender.close()
    assert sent == count
    assert store.load().waiting == 0
    return seconds


def main() -> int:
    """Measure, print and write the results; the exit status is 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=1000)
    parser.add_argument("--database", default="", help="URL; without it, SQLite in a temporary folder")
    given = parser.parse_args()
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True)
    try:
        assert receiver.stdout is not None
        port = int(receiver.stdout.readline())
        with tempfile.TemporaryDirectory() as folder:
            database = Database.open(given.database or f"sqlite:///{folder}/worker.sqlite")
            migrate(database)
            store = Store(database)
            writing = fill(store, given.mails)
            sending = drain(store, port, given.mails)
            kind = "SQLite" if database.is_sqlite else "PostgreSQL"
            database.close()
    finally:
        receiver.kill()
        receiver.wait()
    result = {
        "mails": given.mails,
        "database": kind,
        "written_per_second": round(given.mails / writing, 1),
        "sent_per_second": round(given.mails / sending, 1),
        "goal_sent_per_second": GOAL,
        "python": platform.python_version(),
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for key, value in result.items():
        print(f"{key:24} {value}")
    return 0 if result["sent_per_second"] >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
