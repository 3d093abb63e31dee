"""Replies on their whole way: from a real IMAP server into a real calendar, and the mail that follows."""

from __future__ import annotations

import imaplib
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from booking_web.notifications.answers import GRACE, Answers
from booking_web.notifications.letters import Letters
from booking_web.notifications.mailbox import Mailbox, MailboxError, MailboxSettings
from booking_web.notifications.replies import MAX_BYTES
from booking_web.notifications.smtp import Security
from calendar_server.client import CalendarClient
from tests.notifications.answering import VOUCHING, bounce, reply
from tests.notifications.servers import Authority, tls_before
from tests.notifications.test_worker import running, wait_for, worker_settings
from tests.notifications.town import SECRET, UID, town
from tests.notifications.world import CLERK, LEAD, OFFICE, World
from tests.notifications.world import world as make_world
from tests.support.calendar import PASSWORD, CalendarServer, calendar_server
from tests.support.clock import Clock
from tests.support.databases import fresh_sqlite
from tests.support.ports import free_port
from tests.support.town import appointment, at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


LETTERS = Letters(town(), SECRET)


@contextmanager
def imap_server(tmp_path: Path, authority: Authority | None = None) -> Iterator[MailboxSettings]:
    """An IMAP server with a mailbox that already holds some mails."""
    port = free_port()
    words = [sys.executable, "-c", "from pymap.main import main; main()"]
    words += ["--host", "127.0.0.1", "--port", str(port)]
    if authority is None:
        words.append("--no-tls")
    else:
        issued = authority.ca.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
        words += ["--cert", str(tmp_path / "server.pem"), "--key", str(tmp_path / "server.pem")]
    words += ["dict", "--demo-data", "--demo-user", "amt", "--demo-password", "geheim"]
    output = tmp_path / f"imap-{port}.log"
    with output.open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                imaplib.IMAP4("127.0.0.1", port, timeout=5).logout()
                break
            except OSError:
                assert process.poll() is None, output.read_text()
                assert time.monotonic() < deadline, output.read_text()
                time.sleep(0.05)
        yield MailboxSettings(
            "127.0.0.1",
            "amt",
            "geheim",
            VOUCHING,
            port,
            Security.NONE if authority is None else Security.STARTTLS,
            "" if authority is None else authority.file(tmp_path),
            timeout_seconds=10.0,
        )
        assert process.poll() is None, output.read_text()
    finally:
        process.kill()
        process.wait()


def deliver(settings: MailboxSettings, *mails: bytes) -> None:
    """Put mails into the mailbox, as the town's mail server would."""
    with imaplib.IMAP4(settings.host, settings.port, timeout=10) as connection:
        connection.login(settings.user, settings.password)
        for mail in mails:
            answer, _ = connection.append("INBOX", "", imaplib.Time2Internaldate(time.time()), mail)
            assert answer == "OK"


class Office:
    """A world whose mailbox is read."""

    def __init__(self, world: World, server: CalendarServer, settings: MailboxSettings) -> None:
        self.world, self.settings, self.url = world, settings, server.url
        self.answers = Answers(
            world.store, CalendarClient(server.url, "site", PASSWORD), LETTERS, town(), world.clock
        )
        self.mailbox = Mailbox(settings, world.store, self.answers)
        self.mailbox.step()

    def hear(self, *mails: bytes) -> int:
        deliver(self.settings, *mails)
        return self.mailbox.step()

    def after_grace(self):
        self.world.clock.now += GRACE
        self.answers.step()
        return self.world.settle()


@pytest.fixture(scope="module")
def mailbox_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailboxSettings]:
    """One server for all: whoever reads a mailbox for the first time begins behind what lies there."""
    with imap_server(tmp_path_factory.mktemp("imap")) as settings:
        yield settings


@pytest.fixture
def office(tmp_path: Path, mailbox_settings: MailboxSettings) -> Iterator[Office]:
    clock, url = Clock(), fresh_sqlite(tmp_path)
    with (
        calendar_server(url, clock=clock) as server,
        make_world(url, f"sqlite:///{tmp_path / 'worker.sqlite'}", tmp_path, clock) as world,
    ):
        world.book()
        world.settle()
        yield Office(world, server, mailbox_settings)


def test_declined_in_her_calendar_cancelled_after_the_grace_period(office):
    assert office.hear(reply("DECLINED")) == 1
    assert office.answers.step() == 0
    [mail] = office.after_grace()
    assert (mail.method, mail.event["UID"]) == ("CANCEL", UID)
    assert "Sie haben den Termin in Ihrem Kalender abgelehnt" in mail.text
    assert "Termin zurückholen:" in mail.text
    assert office.after_grace() == []


def test_the_time_of_what_was_declined_is_free_for_others(office):
    office.hear(reply("DECLINED"))
    office.after_grace()
    for letter in "bc":
        office.world.book(appointment(letter * 26 + "@termin.test"))


def test_what_was_declined_by_mistake_is_taken_back(office):
    office.hear(reply("DECLINED"))
    [cancelled] = office.after_grace()
    office.world.change(cancelled=False, declined=False)
    [restored] = office.world.settle()
    assert restored.method == "REQUEST"
    assert restored.sequence > cancelled.sequence


def test_accepting_a_proposal_in_her_calendar_is_agreeing(office):
    plan = office.world.propose(office.world.step(UID, start=at(9, 8)))
    office.world.plans.apply(plan.id, LEAD)
    office.world.settle()
    assert office.hear(reply("ACCEPTED", sequence=0)) == 0
    assert office.world.stored().proposed is not None
    assert office.hear(reply("ACCEPTED", sequence=1)) == 1
    assert office.world.stored().proposed is None
    assert office.world.settle() == []


def test_accepted_again_within_the_grace_period(office):
    assert office.hear(reply("DECLINED"), reply("ACCEPTED")) == 2
    assert office.after_grace() == []
    assert not office.world.stored().cancelled


def test_moved_within_the_grace_period(office):
    office.hear(reply("DECLINED"))
    office.world.change(start=at(7, 9), actor=CLERK)
    [moved] = office.world.settle()
    assert moved.method == "REQUEST"
    assert office.after_grace() == []


@pytest.mark.parametrize(
    "strange",
    [
        reply(sequence=1),
        reply(uid="z" * 26 + "@termin.test"),
        reply(sender="max@example.org", attendee="max@example.org"),
        reply(results=""),
        reply("TENTATIVE"),
    ],
    ids=["sequence", "uid", "address", "unvouched", "tentative"],
)
def test_what_does_not_fit_changes_nothing(office, strange):
    assert office.hear(strange) == 0
    assert office.after_grace() == []


def test_a_mail_is_read_once_and_left_as_it_is(office):
    assert office.hear(reply("DECLINED")) == 1
    assert office.mailbox.step() == 0
    with imaplib.IMAP4(office.settings.host, office.settings.port, timeout=10) as connection:
        connection.login("amt", "geheim")
        connection.select("INBOX", readonly=True)
        _, [flags] = connection.fetch("*", "(FLAGS)")
        assert b"Seen" not in flags


def test_no_mail_keeps_the_next_one_from_being_read(office):
    deep = reply(sender="x").replace(b"From: x", b"From: " + b"(" * 3_000)
    huge = bounce("x@termin.test") + b"x" * MAX_BYTES
    assert (
        office.hear(huge, deep, b"\xff\x00", b"From: a\nContent-Type: text/calendar\n\nBEGIN:", reply()) == 1
    )
    assert office.world.store.is_declined(OFFICE, UID)
    assert office.mailbox.step() == 0


def test_who_proposes_another_time_gets_the_link_once(office):
    assert office.hear(reply("TENTATIVE", method="COUNTER")) == 1
    [mail] = office.world.settle()
    assert mail.calendar is None
    assert "/termin/abcdefgh" in mail.text
    assert office.hear(reply("TENTATIVE", method="COUNTER")) == 0
    assert office.world.settle() == []
    office.world.change(start=at(7, 9))
    [moved] = office.world.settle()
    assert (moved.method, moved.sequence) == ("REQUEST", 1)


def test_what_bounces_is_shown_to_staff(office):
    [confirmation] = office.world.mails()
    assert office.hear(bounce(confirmation.id.strip("<>"))) == 1
    [failure] = office.world.store.failures(OFFICE)
    assert failure.uid == UID
    assert "no such user" in failure.error
    assert office.hear(bounce(confirmation.id.strip("<>")), bounce("unknown@termin.test")) == 0
    assert len(office.world.store.failures(OFFICE)) == 1


def test_after_a_bounce_the_corrected_address_is_told(office):
    [confirmation] = office.world.mails()
    office.hear(bounce(confirmation.id.strip("<>")))
    office.world.change(email="neu@example.org")
    [mail] = office.world.settle()
    assert "neu@example.org" in mail.message["To"]
    assert office.world.store.failures(OFFICE) == []


def test_the_worker_listens(office, tmp_path):
    settings = replace(
        worker_settings(office.world, tmp_path),
        mailbox=replace(office.settings, poll_seconds=0.1),
        calendar_url=office.url,
        site_password=PASSWORD,
    )
    with running(settings, office.world.clock):
        deliver(office.settings, reply("DECLINED"))
        wait_for(lambda: office.world.store.is_declined(OFFICE, UID), "the reply to be read")
        office.world.clock.now += GRACE
        wait_for(lambda: len(office.world.mails()) == 2, "the cancellation")
    assert [mail.method for mail in office.world.mails()] == ["REQUEST", "CANCEL"]


def test_over_tls_from_the_first_byte_with_a_trusted_authority_only(tmp_path, world):
    """Port 993: what speaks TLS outside is the proxy, what stands behind it is the same real server."""
    authority = Authority()
    with (
        imap_server(tmp_path) as plain,
        tls_before(authority, plain.port) as port,
    ):
        settings = replace(plain, port=port, security=Security.TLS, ca_file=authority.file(tmp_path))
        answers = Answers(
            world.store, CalendarClient("http://127.0.0.1:9", "site", ""), LETTERS, town(), world.clock
        )
        assert Mailbox(settings, world.store, answers).step() == 0
        with pytest.raises(MailboxError, match="certificate verify failed"):
            Mailbox(replace(settings, ca_file=""), world.store, answers).step()


def test_over_starttls_with_a_trusted_authority_only(tmp_path, world):
    authority = Authority()
    with imap_server(tmp_path, authority) as settings:
        answers = Answers(
            world.store, CalendarClient("http://127.0.0.1:9", "site", ""), LETTERS, town(), world.clock
        )
        assert Mailbox(settings, world.store, answers).step() == 0
        untrusting = MailboxSettings("127.0.0.1", "amt", "geheim", VOUCHING, settings.port, Security.STARTTLS)
        with pytest.raises(MailboxError, match="certificate verify failed"):
            Mailbox(untrusting, world.store, answers).step()


def test_no_server_and_no_password(mailbox_settings, world):
    answers = Answers(
        world.store, CalendarClient("http://127.0.0.1:9", "site", ""), LETTERS, town(), world.clock
    )
    nobody = MailboxSettings("127.0.0.1", "amt", "x", VOUCHING, free_port(), Security.NONE)
    with pytest.raises(MailboxError):
        Mailbox(nobody, world.store, answers).step()
    wrong = replace(mailbox_settings, password="x")
    with pytest.raises(MailboxError):
        Mailbox(wrong, world.store, answers).step()


def test_no_calendar_no_loss(office):
    office.hear(reply("DECLINED"))
    office.world.clock.now += GRACE
    away = Answers(
        office.world.store,
        CalendarClient("http://127.0.0.1:9", "site", ""),
        LETTERS,
        town(),
        office.world.clock,
    )
    assert away.step() == 0
    assert office.answers.step() == 1
