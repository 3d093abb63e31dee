"""A worker in a process of its own, to be killed: `python -m tests.notifications.victim CALENDAR-URL WORKER-URL FOLDER SMTP-PORT`."""

from __future__ import annotations

import signal
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from booking_web.notifications.worker import Worker, WorkerSettings
from tests.notifications.test_smtp import settings as smtp_settings
from tests.notifications.town import SECRET, town
from tests.support.town import NOW


def main(calendar: str, database: str, folder: str, port: str) -> None:
    begin = time.monotonic()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    settings = WorkerSettings(
        town=town(),
        signing_secret=SECRET,
        calendar_database=calendar,
        database=database,
        mail_folder=Path(folder) / "mail",
        heartbeat=Path(folder) / "heartbeat",
        smtp=smtp_settings(int(port)),
    )
    Worker(settings, lambda: NOW + timedelta(seconds=time.monotonic() - begin)).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
