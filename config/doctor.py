"""What an installation needs from its surroundings, tried out one by one: names, mail, calendars, the clock, versions.

Nothing is changed and no mail is sent. Each finding says what was tried; one that isn't well says what to do.
"""

from __future__ import annotations

import ctypes
import imaplib
import os
import shutil
import smtplib
import socket
import sqlite3
import ssl
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import urllib3
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from booking_web.notifications import mailbox
from booking_web.notifications.smtp import Security, SmtpConnection
from booking_web.notifications.transport import BlockedError
from booking_web.notifications.worker import Heartbeat
from calendar_server.storage import reading
from calendar_server.storage.database import Database
from config import compose, database, running, secrets
from config.processes.launch import HEARTBEAT
from config.processes.worker import mailbox_settings, smtp_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from config.settings import Settings

_SECONDS = 10.0
_SKEW_SECONDS = 5.0
_LEAST_FREE = 256 * 1024 * 1024
"""Bytes. A full disk refuses every booking, so it must be heard of days before."""
_LONG_WAIT = timedelta(hours=1)
_CLOCK_UNSYNCHRONISED = 5
"""TIME_ERROR of adjtimex(2)."""
_SCRIPTS = {
    "alembic_version_calendar": "calendar_server.storage",
    "alembic_version_notifications": "booking_web.notifications",
}


class Level(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    HINT = "hint"
    """It works, and something about it should be known."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check."""

    level: Level
    check: str
    text: str


def addresses_of(name: str) -> set[str]:
    """Look a host's name up; OSError if it has no address."""
    return {str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}


def _utc_now() -> datetime:
    return datetime.now(UTC)


def examine(settings: Settings, data: Path, clock: Callable[[], datetime] = _utc_now) -> Iterator[Finding]:
    """Yield the findings of all checks, each as soon as it is known; at most `_SECONDS` are waited for each answer.

    `clock` says what is ahead and how long ago something was; other clocks are compared with this machine's.
    """
    checks: tuple[Callable[[Settings, Path], Iterator[Finding]], ...] = (
        _versions,
        _data_folder,
        _disk,
        _database,
        partial(_left_behind, clock),
        _names,
        _proxy,
        _calendars,
        partial(_worker, clock),
        _mail_server,
        _reply_mailbox,
        _clock,
    )
    for check in checks:
        yield from check(settings, data)


def _versions(_settings: Settings, _data: Path) -> Iterator[Finding]:
    found = f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, OpenSSL {ssl.OPENSSL_VERSION_INFO[0]}.{ssl.OPENSSL_VERSION_INFO[1]}"
    yield Finding(Level.OK, "versions", f"{found}, termin {version('termin')}")
    try:
        version("highspy")
    except PackageNotFoundError:
        hint = "HiGHS isn't installed: plans made on this host are the first that come to mind, and no load is evened out"
        yield Finding(Level.HINT, "versions", hint)
    try:
        radicale = version("radicale")
    except PackageNotFoundError:
        yield Finding(
            Level.HINT, "versions", "Radicale isn't installed: this host can't run the calendar server"
        )
        return
    if not radicale.startswith("3.9."):
        yield Finding(
            Level.PROBLEM, "versions", f"Radicale {radicale} instead of 3.9: install by requirements.lock"
        )


def _data_folder(_settings: Settings, data: Path) -> Iterator[Finding]:
    if not data.is_dir():
        yield Finding(Level.HINT, "data", f"{data} isn't there yet: the first start makes it")
        return
    mode = data.stat().st_mode & 0o777
    if mode & 0o077:
        yield Finding(
            Level.PROBLEM, "data", f"others can look into {data} (mode {mode:o}); run: chmod 700 {data}"
        )
    else:
        yield Finding(Level.OK, "data", f"{data} is for its owner alone")
    if (data / secrets.FILE).exists():
        try:
            secrets.read(data)
        except secrets.SecretsError as error:
            yield Finding(Level.PROBLEM, "data", str(error))


def _disk(_settings: Settings, data: Path) -> Iterator[Finding]:
    if not data.is_dir():
        return
    if not os.access(data, os.W_OK | os.X_OK):
        yield Finding(
            Level.PROBLEM,
            "disk",
            f"{data} can't be written: is it termin's user who asks, and the disk not read-only?",
        )
    free = shutil.disk_usage(data).free
    said = f"{free // (1024 * 1024):,} MB are free for {data}"
    if free < _LEAST_FREE:
        yield Finding(Level.PROBLEM, "disk", f"only {said}: once it's full, nobody can book any more")
    else:
        yield Finding(Level.OK, "disk", said)


def _database(settings: Settings, data: Path) -> Iterator[Finding]:
    url = database.url(settings, data)
    if not database.is_there(settings, data):
        yield Finding(Level.HINT, "database", "there is none yet: the first start makes it")
        return
    opened = Database.open(url)
    try:
        before = time.time()
        with opened.read() as connection:
            name = "SQLite" if opened.is_sqlite else f"PostgreSQL {connection.dialect.server_version_info}"
            for table, package in _SCRIPTS.items():
                if inspect(connection).has_table(table):
                    found = connection.execute(text(f"SELECT version_num FROM {table}")).scalar_one()  # noqa: S608 - our own table's name
                    yield _revision(table, str(found), package)
            if not opened.is_sqlite:
                theirs = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
                yield from _skew("the database", float(theirs), before)
        yield Finding(Level.OK, "database", f"{name} answers")
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        yield Finding(Level.PROBLEM, "database", f"it can't be used: {str(cause).splitlines()[0]}")
    finally:
        opened.close()


def _left_behind(clock: Callable[[], datetime], settings: Settings, data: Path) -> Iterator[Finding]:
    """Appointments ahead of clerks, and for services, that the configuration no longer knows: nobody would keep them."""
    if not database.is_there(settings, data) or not any(office.clerks for office in settings.offices.offices):
        return
    directory = compose.directory(settings)
    services = {service.id for service in settings.services.services}
    gone: Counter[str] = Counter()
    opened = Database.open(database.url(settings, data))
    try:
        with opened.read() as connection:
            for office, clerk, wanted, count in reading.appointments_ahead(
                connection, int(clock().timestamp())
            ):
                home = directory.office_of(clerk)
                if directory.office(office) is None:
                    gone[f"in the office {office}, which isn't in offices.toml"] += count
                elif home is None or home.id != office:
                    gone[f"with {clerk}, who isn't in {office} in offices.toml"] += count
                for service in wanted - services:
                    gone[f"for the service {service}, which isn't in services.toml"] += count
    except SQLAlchemyError:
        # What is the matter with the database is told by its own check.
        return
    finally:
        opened.close()
    for whose, count in sorted(gone.items()):
        text = f"{count} appointments ahead are {whose}: put it back until they are taken over or done"
        yield Finding(Level.PROBLEM, "appointments", text)


def _revision(table: str, found: str, package: str) -> Finding:
    module = sys.modules.get(package)
    folder = next(iter(module.__path__)) if module is not None else ""
    scripts = ScriptDirectory(f"{folder}/migrations")
    newest = scripts.get_current_head()
    if found == newest:
        return Finding(Level.OK, "database", f"{table}: {found}, the newest")
    if found not in {each.revision for each in scripts.walk_revisions()}:
        return Finding(
            Level.PROBLEM, "database", f"{table}: {found} is from a newer program than this one ({newest})"
        )
    return Finding(
        Level.HINT, "database", f"{table}: {found} instead of {newest}; the next start brings it forward"
    )


def _names(settings: Settings, _data: Path) -> Iterator[Finding]:
    """Every name that others, or we, must find in the DNS."""
    server = settings.server
    wanted = {
        "citizens' site": urlsplit(compose.site_url(settings)).hostname,
        "staff pages": urlsplit(compose.staff_url(settings)).hostname,
        "calendars": urlsplit(compose.dav_url(settings)).hostname,
        "mail server": server.smtp.host,
        "mailbox": server.replies.host,
        **{f"mails of {office.id}": office.email.rpartition("@")[2] for office in settings.offices.offices},
    }
    for what, name in wanted.items():
        if not name:
            continue
        try:
            found = addresses_of(name)
        except OSError as error:
            # A domain may receive mail without having an address itself (RFC 5321 section 5.1).
            level = Level.HINT if what.startswith("mails") else Level.PROBLEM
            yield Finding(level, "dns", f"{what}: {name} has no address ({error.strerror or error})")
        else:
            yield Finding(Level.OK, "dns", f"{what}: {name} is {', '.join(sorted(found))}")


def _proxy(settings: Settings, _data: Path) -> Iterator[Finding]:
    server = settings.server.server
    if not server.site_url:
        yield Finding(Level.HINT, "proxy", "no site_url is configured: citizens can't reach the site")
    elif server.trust_proxy:
        yield Finding(Level.OK, "proxy", "callers are told apart by what the proxy says of them")
    else:
        yield Finding(
            Level.PROBLEM,
            "proxy",
            "trust_proxy is off: all callers look like the proxy, and the limits of networks ([fairness]) don't hold",
        )


def _calendars(settings: Settings, data: Path) -> Iterator[Finding]:
    url = compose.dav_internal_url(running.where_it_runs(settings, data))
    pool = urllib3.PoolManager(timeout=_SECONDS, retries=False)
    before = time.time()
    try:
        answer = pool.request("GET", f"{url}/readyz")
        options = pool.request("OPTIONS", f"{url}/", headers=_login(settings, data))
    except urllib3.exceptions.HTTPError as error:
        yield Finding(Level.PROBLEM, "caldav", f"{url} doesn't answer ({type(error).__name__}): does it run?")
        return
    if answer.status != 200:
        yield Finding(Level.PROBLEM, "caldav", f"{url}/readyz says {answer.status}")
        return
    if options.status == 401:
        yield Finding(
            Level.PROBLEM, "caldav", f"{url} refuses the site's password: do all hosts share the secrets?"
        )
        return
    if "calendar-access" not in options.headers.get("DAV", ""):
        yield Finding(Level.PROBLEM, "caldav", f"{url} is no calendar server: does a proxy answer instead?")
        return
    yield Finding(Level.OK, "caldav", f"{url} is ready and knows the site")
    if "Date" in answer.headers:
        yield from _skew(
            "the calendar server", parsedate_to_datetime(answer.headers["Date"]).timestamp(), before
        )


def _login(settings: Settings, data: Path) -> dict[str, str]:
    given = settings.server.secrets.site_password
    if not given and (data / secrets.FILE).exists():
        try:
            given = secrets.read(data).site_password
        except secrets.SecretsError:
            given = ""
    return urllib3.make_headers(basic_auth=f"site:{given}") if given else {}


def _worker(clock: Callable[[], datetime], _settings: Settings, data: Path) -> Iterator[Finding]:
    beat = Heartbeat.read(data / HEARTBEAT)
    if running.address_of(data, "worker") is None:
        if beat is None:
            yield Finding(Level.HINT, "worker", "none has run on this data folder: mails leave where it runs")
        else:
            yield Finding(Level.PROBLEM, "worker", f"none runs on {data}: no mail leaves from here")
        return
    now = clock()
    if beat is None or not beat.is_fresh(now):
        since = f"since {beat.at:%Y-%m-%d %H:%M} UTC" if beat else "so far"
        yield Finding(Level.PROBLEM, "worker", f"it runs and has done nothing {since}: its log says why")
        return
    if beat.state != "active":
        yield Finding(Level.OK, "worker", "it stands by for another one, which is at work")
        return
    yield Finding(Level.OK, "worker", f"it works; {beat.waiting} mails wait")
    if beat.oldest is not None and now - beat.oldest > _LONG_WAIT:
        yield Finding(Level.HINT, "worker", f"a mail waits since {beat.oldest:%Y-%m-%d %H:%M} UTC")
    if beat.failed:
        yield Finding(
            Level.HINT,
            "worker",
            f'{beat.failed} mails didn\'t arrive: staff finds them on the page "E-Mails"',
        )


def _mail_server(settings: Settings, data: Path) -> Iterator[Finding]:
    smtp = smtp_settings(settings)
    if smtp is None:
        yield Finding(Level.HINT, "smtp", f"none is configured: mails are written to {data / 'mail'}")
        return
    where = f"{smtp.host}:{smtp.port}"
    try:
        with SmtpConnection(smtp) as connection:
            assert connection.host is not None
            for office in settings.offices.offices:
                code, _ = connection.host.mail(office.email)
                connection.host.rset()
                if code != 250:
                    yield Finding(
                        Level.PROBLEM, "smtp", f"{where} refuses mails from {office.email} ({code})"
                    )
    except (BlockedError, OSError, smtplib.SMTPException) as error:
        yield Finding(Level.PROBLEM, "smtp", f"{where}: {error}")
        return
    if smtp.security is Security.NONE:
        yield Finding(Level.HINT, "smtp", f"{where} takes mails, without encryption")
    else:
        yield Finding(Level.OK, "smtp", f"{where} takes mails, by {smtp.security}")


def _reply_mailbox(settings: Settings, _data: Path) -> Iterator[Finding]:
    replies = mailbox_settings(settings)
    if replies is None:
        yield Finding(Level.HINT, "imap", "no mailbox is configured: replies and bounces aren't read")
        return
    where = f"{replies.host}:{replies.port}"
    try:
        connection = mailbox.connect(replies)
        try:
            answer, _ = connection.select(f'"{replies.folder}"', readonly=True)
        finally:
            connection.logout()
    except (OSError, imaplib.IMAP4.error) as error:
        yield Finding(Level.PROBLEM, "imap", f"{where}: {error}")
        return
    if answer == "OK":
        yield Finding(Level.OK, "imap", f"{where} shows {replies.folder}")
    else:
        yield Finding(Level.PROBLEM, "imap", f"{where} has no folder {replies.folder}")


def _clock(settings: Settings, _data: Path) -> Iterator[Finding]:
    now = datetime.now(UTC)
    for office in compose.directory(settings).offices[:1]:
        local = f"{now.astimezone(office.zone):%Y-%m-%d %H:%M}"
        yield Finding(Level.OK, "clock", f"it is {local} in {office.zone.key}")
    if _is_unsynchronised():
        yield Finding(
            Level.HINT, "clock", "the system doesn't say that its clock is synchronised: is NTP on?"
        )


def _is_unsynchronised() -> bool:
    """What Linux knows of the clock (adjtimex(2)); False where nothing can be asked."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return False
    # The structure is about 208 bytes; its first field, no mode bits, makes it a question.
    return bool(adjtimex(ctypes.create_string_buffer(512)) == _CLOCK_UNSYNCHRONISED)


def _skew(whose: str, theirs: float, before: float) -> Iterator[Finding]:
    """Compare with another clock, read between `before` and now; HTTP's has whole seconds."""
    if before - _SKEW_SECONDS <= theirs <= time.time() + _SKEW_SECONDS:
        yield Finding(Level.OK, "clock", f"{whose} has the same time")
    else:
        seconds = round(theirs - before)
        yield Finding(Level.PROBLEM, "clock", f"the clock of {whose} is {seconds:+d} s off ours: is NTP on?")
