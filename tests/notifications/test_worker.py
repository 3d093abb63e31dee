"""The worker as it runs: its threads, its locks, and what is left when it's killed."""

from __future__ import annotations

import email
import json
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from email import policy
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from booking_web.notifications import store as store_module
from booking_web.notifications.told import Snapshot
from booking_web.notifications.transport import (
    BlockedError,
    DeferredError,
    MaildirTransport,
    RefusedError,
    UncertainError,
)
from booking_web.notifications.worker import Worker, WorkerSettings, is_alive
from calendar_server.storage.database import Database
from tests.notifications.servers import Postbox, mail_server
from tests.notifications.town import SECRET, UID, town
from tests.notifications.world import OFFICE, Received, World, read_maildir
from tests.support.databases import fresh_postgresql, fresh_sqlite
from tests.support.town import appointment, at

PATIENCE = 60.0
ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    """The process ends here, without any of our code running."""


def wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def worker_settings(world: World, tmp_path: Path, **values) -> WorkerSettings:
    return WorkerSettings(
        town=town(),
        signing_secret=SECRET,
        calendar_database=world.service.database.engine.url.render_as_string(hide_password=False),
        database=world.database.engine.url.render_as_string(hide_password=False),
        mail_folder=world.folder,
        heartbeat=tmp_path / "heartbeat",
        **values,
    )


@contextmanager
def running(settings: WorkerSettings, clock):
    stop = threading.Event()
    thread = threading.Thread(target=Worker(settings, clock).run, args=(stop,))
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_booked_told_moved_told(any_world, tmp_path):
    with running(worker_settings(any_world, tmp_path), any_world.clock):
        any_world.book()
        wait_for(lambda: len(any_world.mails()) == 1, "the confirmation")
        any_world.change(start=at(7, 9))
        wait_for(lambda: len(any_world.mails()) == 2, "the update")
    assert [mail.sequence for mail in any_world.mails()] == [0, 1]


def test_of_two_workers_one_works_and_the_other_takes_over(any_world, tmp_path):
    first = worker_settings(any_world, tmp_path)
    (tmp_path / "second").mkdir()
    second = worker_settings(any_world, tmp_path / "second")

    def state(settings: WorkerSettings) -> str:
        return json.loads(settings.heartbeat.read_text())["state"] if settings.heartbeat.exists() else ""

    with running(first, any_world.clock):
        wait_for(lambda: state(first) == "active", "the first to work")
        with running(second, any_world.clock) as taking_over:
            wait_for(lambda: state(second) == "standby", "the second to wait")
            any_world.book()
            wait_for(lambda: len(any_world.mails()) == 1, "the confirmation")
            assert taking_over.is_alive()
    third = worker_settings(any_world, tmp_path / "second")
    with running(third, any_world.clock):
        any_world.change(start=at(7, 9))
        wait_for(lambda: len(any_world.mails()) == 2, "the update by the other worker")


def test_the_heartbeat_says_whether_it_lives(world, tmp_path):
    settings = worker_settings(world, tmp_path)
    assert not is_alive(settings.heartbeat, world.clock())
    with running(settings, world.clock):
        wait_for(lambda: is_alive(settings.heartbeat, world.clock()), "a heartbeat")
    world.clock.advance(minutes=2)
    assert not is_alive(settings.heartbeat, world.clock())
    settings.heartbeat.write_text("nonsense")
    assert not is_alive(settings.heartbeat, world.clock())


def test_what_is_too_old_is_forgotten(world, tmp_path):
    world.book()
    world.settle()
    world.clock.now = at(7, 8, month=2, year=2027)

    def told():
        with world.store.writing() as writing:
            return writing.standing(OFFICE, UID).told

    assert told() is not None
    with running(worker_settings(world, tmp_path), world.clock):
        wait_for(lambda: told() is None, "the retention")


def test_the_tables_can_be_made_and_taken_back(tmp_path):
    for url in (fresh_sqlite(tmp_path), fresh_postgresql()):
        database = Database.open(url)
        store_module.migrate(database)
        store_module.migrate(database)
        with database.engine.connect() as connection:
            from alembic.autogenerate import compare_metadata  # noqa: PLC0415
            from alembic.migration import MigrationContext  # noqa: PLC0415

            context = MigrationContext.configure(
                connection,
                opts={
                    "include_name": lambda name, kind, _parents: (
                        kind != "table" or str(name).startswith("notify_")
                    ),
                    "version_table": "alembic_version_notifications",
                },
            )
            assert compare_metadata(context, store_module.told_table.metadata) == []
        database.close()


# Killed between two steps: each place where the process may end, and what the next one makes of it.


class _DyingTransport:
    def __init__(self, inner, *, before: bool) -> None:
        self._inner, self._before = inner, before

    def send(self, mail):
        if self._before:
            raise Killed
        self._inner.send(mail)
        raise Killed

    def close(self):
        """Nothing was opened."""


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_while_a_mail_leaves(any_world, before):
    any_world.transport = _DyingTransport(MaildirTransport(any_world.folder), before=before)
    any_world.restart()
    any_world.book()
    any_world.follow()
    with pytest.raises(Killed):
        any_world.sender.step()
    any_world.transport = None
    any_world.restart()
    any_world.settle()
    mails = any_world.mails()
    assert len(mails) == (1 if before else 2)
    assert len({mail.message.as_bytes() for mail in mails}) == 1
    assert any_world.settle() == []


def test_killed_after_the_mail_left_and_moved_meanwhile(any_world):
    any_world.transport = _DyingTransport(MaildirTransport(any_world.folder), before=False)
    any_world.restart()
    any_world.book()
    any_world.follow()
    with pytest.raises(Killed):
        any_world.sender.step()
    any_world.transport = None
    any_world.restart()
    any_world.change(start=at(7, 9))
    any_world.settle()
    assert [(mail.sequence, mail.start) for mail in any_world.mails()] == [
        (0, at(7, 8)),
        (0, at(7, 8)),
        (1, at(7, 9)),
    ]


def test_killed_before_what_was_followed_is_stored(any_world):
    any_world.book()

    def follow_and_die() -> None:
        with any_world.store.writing() as writing:
            writing.set_cursor(OFFICE, any_world.changes.head(OFFICE))
            raise Killed

    with pytest.raises(Killed):
        follow_and_die()
    any_world.restart()
    assert len(any_world.settle()) == 1


def test_killed_with_a_claimed_batch(any_world):
    for letter in "abc":
        any_world.book(appointment(f"{letter * 26}@termin.test", at(7, 8 + ord(letter) - ord("a"))))
    any_world.follow()
    assert len(any_world.store.claim(any_world.clock())) == 3
    any_world.restart()
    assert len(any_world.settle()) == 3


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_again_and_again_nobody_is_left_in_the_dark(kind, tmp_path):
    """A real process, SIGKILL at any moment, a real mail server, and changes all the time."""
    from tests.notifications.world import world as make_world  # noqa: PLC0415

    chance = random.Random(20261207)
    if kind == "sqlite":
        urls = (fresh_sqlite(tmp_path), f"sqlite:///{tmp_path / 'worker.sqlite'}")
    else:
        urls = (fresh_postgresql(),) * 2
    uids = [f"{letter * 26}@termin.test" for letter in "abcdefgh"]
    free = [at(day, 8) + timedelta(minutes=30 * step) for day in (7, 14, 21) for step in range(16)]
    postbox = Postbox()
    with make_world(*urls, tmp_path) as world, mail_server(postbox) as port:
        command = [sys.executable, "-m", "tests.notifications.victim", *urls, str(tmp_path), str(port)]
        for uid in uids:
            world.book(appointment(uid, free.pop()), email=f"{uid[0]}@example.org")
        for _ in range(2):
            process = subprocess.Popen(command, cwd=ROOT)
            count = len(postbox.taken)
            try:
                wait_for(lambda c=count, p=process: len(postbox.taken) > c or p.poll() is not None, "a mail")
                for uid in chance.sample(uids, 5):
                    world.change(uid, start=free.pop(0))
                    time.sleep(chance.random() * 0.1)
            finally:
                process.kill()
                assert process.wait(PATIENCE) == -signal.SIGKILL
            for uid in chance.sample(uids, 2):
                world.change(uid, start=free.pop(0))
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            head = world.changes.head(OFFICE)
            wait_for(
                lambda: world.store.cursor(OFFICE) == head and world.store.load().waiting == 0,
                "all mails to leave",
            )
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0
        for uid in uids:
            mails = [
                Received(email.message_from_bytes(content, policy=policy.default))
                for _, recipient, content in postbox.taken
                if recipient[0] == uid[0]
            ]
            sequences = [mail.sequence for mail in mails]
            assert sequences == sorted(sequences), "never an older state after a newer one"
            assert mails[-1].start == world.stored(uid).start
            for number in set(sequences):
                same = {mail.message.as_bytes() for mail in mails if mail.sequence == number}
                assert len(same) == 1, "a repeat is the very same mail"
            with world.store.writing() as writing:
                standing = writing.standing(OFFICE, uid)
            assert standing.told is not None
            assert standing.told.snapshot == Snapshot.of(world.stored(uid), OFFICE)


def test_no_personal_data_in_the_log(world, capfd, caplog):
    world.book(name="Erika Geheim", email="geheim@localhost", phone="0123456789")
    world.settle()
    world.change(email="geheim@example.org")
    world.settle()
    out, err = capfd.readouterr()
    said = out + err + caplog.text
    assert "a mail can't be written" in said
    for secret in ("Geheim", "geheim", "0123456789", UID):
        assert secret not in said
    assert len(read_maildir(world.folder)) == 1


@pytest.mark.parametrize("error", [RefusedError, DeferredError, BlockedError, UncertainError])
def test_what_a_mail_server_says_is_for_staff_and_not_for_the_log(world, capfd, caplog, error):
    class Talkative:
        def send(self, mail):
            raise error(f"550 5.1.1 <{mail.recipient}> {mail.recipient_name} unknown")

        def close(self):
            pass

    world.transport = Talkative()
    world.restart()
    world.book(name="Erika Geheim", email="geheim@example.org", phone="0123456789")
    world.follow()
    world.sender.step()
    out, err = capfd.readouterr()
    said = out + err + caplog.text
    assert said.strip() or error is DeferredError, "a mail that is tried again is no event"
    for secret in ("Geheim", "geheim", "0123456789", UID):
        assert secret not in said


def test_no_personal_data_in_what_a_database_says(any_world):
    any_world.book(name="Erika Geheim", email="geheim@example.org")
    any_world.settle()
    with any_world.store.writing() as writing:
        told = writing.standing(OFFICE, UID).told

    def twice() -> None:
        with any_world.database.write() as connection:
            row = {"office": OFFICE, "uid": UID, "snapshot": told.snapshot.to_json(), "sequence": 0}
            row |= {"cancelled": False, "thread": "", "told_at": 0, "ends_at": 0}
            connection.execute(insert(store_module.told_table).values(**row))

    with pytest.raises(IntegrityError) as error:
        twice()
    assert "eheim" not in str(error.value)
