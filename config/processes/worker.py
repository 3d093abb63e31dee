"""The worker's process."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import inspect

from booking_web.notifications.mailbox import MailboxSettings
from booking_web.notifications.smtp import Security, SmtpSettings
from booking_web.notifications.worker import Worker, WorkerSettings
from booking_web.planning.watch import RepairSettings, RepairWatch
from calendar_server.client import CalendarClient
from calendar_server.storage.changes import ChangeLog
from calendar_server.storage.database import Database
from calendar_server.storage.schema import changes
from config import compose, database, secrets
from config.processes.launch import HEARTBEAT

if TYPE_CHECKING:
    from config.processes.launch import Launch
    from config.settings import Settings

MAIL_FOLDER = "mail"


def run(launch: Launch, pipe: int) -> None:
    """Work until told to end."""
    del pipe  # the parent is watched already: this role is one process
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    settings = build(launch)
    if wait_for_tables(settings.calendar_database, stop):
        watch = repair_watch(launch, settings)
        threading.Thread(target=watch.run, args=(stop,), name="repair", daemon=True).start()
        Worker(settings).run(stop)


def wait_for_tables(url: str, stop: threading.Event) -> bool:
    """Wait until the calendar server has made its tables, at the very first start; False if `stop` was set meanwhile."""
    calendar = Database.open(url)
    try:
        while not stop.is_set():
            if inspect(calendar.engine).has_table(changes.name):
                return True
            stop.wait(0.1)
    finally:
        calendar.close()
    return False


def build(launch: Launch) -> WorkerSettings:
    """Return what the worker needs."""
    settings = launch.settings(people=False)
    ours = secrets.ensure(launch.data, settings.server.secrets, demo=launch.demo)
    return WorkerSettings(
        town=compose.town(settings),
        signing_secret=ours.signing_secret.encode(),
        calendar_database=database.url(settings, launch.data),
        database=database.worker_url(settings, launch.data),
        mail_folder=launch.data / MAIL_FOLDER,
        heartbeat=launch.data / HEARTBEAT,
        smtp=smtp_settings(settings),
        retention_days=settings.server.retention.appointment_days,
        mailbox=mailbox_settings(settings),
        calendar_url=compose.dav_internal_url(settings),
        site_password=ours.site_password,
    )


def repair_watch(launch: Launch, worker: WorkerSettings) -> RepairWatch:
    """Return what watches for absences; it plans through the calendar server, with the worker's account."""
    settings = launch.settings(people=False)
    ours = secrets.ensure(launch.data, settings.server.secrets, demo=launch.demo)
    table = settings.server.repair
    zone = worker.town.zone
    return RepairWatch(
        CalendarClient(compose.dav_internal_url(settings), "worker", ours.worker_password),
        ChangeLog(Database.open(worker.calendar_database), zone),
        zone,
        RepairSettings(
            notice_hours=table.notice_hours, auto_hours=table.auto_hours or None, seconds=float(table.seconds)
        ),
    )


def mailbox_settings(settings: Settings) -> MailboxSettings | None:
    """Return the mailbox that answers come to; None if none is read."""
    table = settings.server.replies
    if not table.host:
        return None
    return MailboxSettings(
        host=table.host,
        user=table.user,
        password=table.password,
        vouching=table.vouching,
        port=table.port,
        security=Security(table.security),
        ca_file=table.ca_file,
        folder=table.folder,
    )


def smtp_settings(settings: Settings) -> SmtpSettings | None:
    """Return the mail server; None if mails are to be written to a folder."""
    table = settings.server.smtp
    if not table.host:
        return None
    return SmtpSettings(
        host=table.host,
        port=table.port,
        security=Security(table.security),
        user=table.user,
        password=table.password,
        ca_file=table.ca_file,
        timeout_seconds=float(table.timeout_seconds),
        hello=urlsplit(compose.site_url(settings)).hostname or "localhost",
    )
