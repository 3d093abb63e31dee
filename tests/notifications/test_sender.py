"""What becomes of mails that don't leave at once, on both databases and with a real mail server."""

from __future__ import annotations

import email
from contextlib import contextmanager
from email import policy
from itertools import pairwise

import pytest

from booking_web.notifications.smtp import SmtpTransport
from tests.notifications.servers import Postbox, mail_server
from tests.notifications.test_smtp import settings
from tests.notifications.town import UID
from tests.notifications.world import LEAD, OFFICE, Received, World
from tests.support.ports import free_port
from tests.support.town import appointment, at

OTHER = "z" * 26 + "@termin.test"


@pytest.fixture
def postbox():
    return Postbox()


@contextmanager
def smtp(world: World, postbox: Postbox):
    """Let the world's mails go to a real server."""
    port = free_port()
    world.transport = SmtpTransport(settings(port))
    world.restart()
    with mail_server(postbox, port=port):
        yield port
        world.transport.close()


def arrived(postbox: Postbox) -> list[Received]:
    return [
        Received(email.message_from_bytes(content, policy=policy.default)) for _, _, content in postbox.taken
    ]


def test_what_is_taken_is_gone_from_the_outbox(world, postbox):
    with smtp(world, postbox):
        world.book()
        world.settle()
    assert len(postbox.taken) == 1
    assert world.store.load().waiting == 0


def test_a_temporary_refusal_is_tried_again_later_and_later(world, postbox):
    attempts = []
    postbox.on_rcpt = lambda _: attempts.append(world.clock()) or "450 busy"
    with smtp(world, postbox):
        world.book()
        world.follow()
        begin = world.clock()
        for _ in range(90):
            world.send()
            world.clock.advance(seconds=30)
        waits = [(later - earlier).total_seconds() for earlier, later in pairwise(attempts)]
        assert attempts[0] == begin
        assert waits[:3] == [30, 60, 120]
        assert waits == sorted(waits)
        assert max(waits) <= 3600
        postbox.on_rcpt = lambda _: None
        world.clock.advance(hours=1)
        world.send()
    assert len(postbox.taken) == 1


def test_after_72_hours_staff_is_told_instead(world, postbox):
    postbox.on_rcpt = lambda _: "450 busy"
    with smtp(world, postbox):
        world.book(phone="0291 123", reference="K7QM-3XPD")
        world.settle()
        world.clock.advance(hours=71, minutes=59)
        world.send()
        assert world.store.failures(OFFICE) == []
        world.clock.advance(hours=2)
        world.send()
    [failure] = world.store.failures(OFFICE)
    assert (failure.uid, failure.phone, failure.reference) == (UID, "0291 123", "K7QM-3XPD")
    assert world.store.load().waiting == 0


def test_a_permanent_refusal_is_shown_to_staff_and_not_repeated(any_world, postbox):
    postbox.on_rcpt = lambda _: "550 5.1.1 no such user"
    with smtp(any_world, postbox):
        any_world.book()
        any_world.settle()
        [failure] = any_world.store.failures(OFFICE)
        assert "550" in failure.error
        postbox.on_rcpt = lambda _: None
        any_world.change(phone="0291 5")
        any_world.clock.advance(hours=5)
        any_world.settle()
        assert postbox.taken == []


def test_after_a_refusal_a_corrected_address_settles_it(world, postbox):
    postbox.on_rcpt = lambda address: "550 no" if address.startswith("erica") else None
    with smtp(world, postbox):
        world.book(email="erica@example.org")
        world.settle()
        world.change(email="erika@example.org")
        world.settle()
    assert postbox.recipients == ["erika@example.org"]
    assert world.store.failures(OFFICE) == []


def test_staff_may_try_again_or_settle(any_world, postbox):
    postbox.on_rcpt = lambda _: "550 no"
    with smtp(any_world, postbox):
        any_world.book()
        any_world.settle()
        postbox.on_rcpt = lambda _: None
        [failure] = any_world.store.failures(OFFICE)
        assert any_world.store.try_again(failure.id, now=any_world.clock())
        any_world.send()
        assert len(postbox.taken) == 1
        assert not any_world.store.settle(failure.id)


def test_a_lost_answer_leads_to_the_very_same_mail(any_world, postbox):
    postbox.drop_after_data = 1
    with smtp(any_world, postbox):
        any_world.book()
        any_world.settle()
        assert any_world.store.load().waiting == 1
        any_world.clock.advance(minutes=1)
        any_world.settle()
    first, second = arrived(postbox)
    assert first.message.as_bytes() == second.message.as_bytes()
    assert any_world.store.load().waiting == 0


def test_what_may_have_been_told_counts_as_told(any_world, postbox):
    """Moved, the answer lost, moved back: she may know of the move, so she must hear that it was taken back."""
    with smtp(any_world, postbox):
        any_world.book()
        any_world.settle()
        any_world.change(start=at(7, 9))
        postbox.drop_after_data = 1
        any_world.settle()
        any_world.change(start=at(7, 8))
        any_world.settle()
        any_world.clock.advance(minutes=1)
        any_world.settle()
    mails = arrived(postbox)
    assert [mail.start for mail in mails] == [at(7, 8), at(7, 9), at(7, 9), at(7, 8)]
    assert [mail.sequence for mail in mails] == [0, 1, 1, 2]


def test_news_of_one_appointment_keep_their_order(any_world, postbox):
    with smtp(any_world, postbox):
        any_world.book()
        postbox.drop_after_data = 1
        any_world.settle()
        any_world.change(start=at(7, 9))
        any_world.settle()
        assert len(postbox.taken) == 1, "the update waits for the first mail"
        any_world.clock.advance(minutes=1)
        any_world.settle()
        any_world.send()
    assert [mail.sequence for mail in arrived(postbox)] == [0, 0, 1]


def test_one_citizens_trouble_is_nobody_elses(world, postbox):
    postbox.on_rcpt = lambda address: "450 busy" if address.startswith("erika") else None
    with smtp(world, postbox):
        world.book()
        world.book(appointment(OTHER, at(7, 10)), email="max@example.org")
        world.settle()
    assert postbox.recipients == ["max@example.org"]


def test_while_the_server_is_away_changes_replace_what_waits(world):
    port = free_port()
    world.transport = SmtpTransport(settings(port))
    world.restart()
    world.book()
    world.follow()
    assert world.sender.step() == 1
    assert world.sender.blocked
    world.change(start=at(7, 9))
    world.follow()
    assert world.sender.step() == 0, "it pauses"
    postbox = Postbox()
    with mail_server(postbox, port=port):
        world.clock.advance(minutes=5)
        world.send()
        world.transport.close()
    [mail] = arrived(postbox)
    assert mail.start == at(7, 9)
    assert not world.sender.blocked


def test_the_log_says_why_no_mail_leaves_and_when_it_is_over(world, postbox, capfd):
    port = free_port()
    world.transport = SmtpTransport(settings(port))
    world.restart()
    world.book(email="geheim@example.org")
    world.follow()
    world.sender.step()
    assert "Connection refused" in capfd.readouterr().out
    postbox.on_rcpt = lambda recipient: f"421 too many mails for {recipient}"
    with mail_server(postbox, port=port):
        world.clock.advance(minutes=5)
        world.send()
        said = capfd.readouterr().out
        assert "the server answered 421" in said
        assert "geheim" not in said
        postbox.on_rcpt = lambda _: None
        world.clock.advance(minutes=5)
        world.send()
        world.transport.close()
    assert "mails can leave again" in capfd.readouterr().out


def test_a_mail_on_which_the_server_hangs_up_blocks_no_other(world, postbox):
    postbox.on_data = lambda content: "421 I can't stand this" if b"erika" in content else None
    with smtp(world, postbox):
        world.book()
        world.book(appointment(OTHER, at(7, 10)), email="max@example.org", name="Max")
        world.follow()
        for _ in range(10):
            world.send()
            world.clock.advance(minutes=1)
    assert postbox.recipients == ["max@example.org"]


def test_two_changes_while_no_mail_leaves_for_days(any_world, postbox):
    port = free_port()
    any_world.transport = SmtpTransport(settings(port))
    any_world.restart()
    with mail_server(postbox, port=port):
        any_world.book()
        any_world.settle()
        any_world.transport.close()
    for day, hour in ((2, 9), (4, 10)):
        any_world.clock.now = at(day, 8)
        any_world.change(start=at(7, hour), actor=LEAD)
        any_world.settle()
    any_world.clock.now = at(6, 8)
    with mail_server(postbox, port=port):
        any_world.send()
        any_world.transport.close()
    first, second = arrived(postbox)
    assert (second.start, second.sequence) == (at(7, 10), 2)
    assert second.message["In-Reply-To"] == first.id
    assert any_world.store.failures(OFFICE) == []


def test_news_that_come_too_late_are_not_sent(world, postbox):
    port = free_port()
    world.transport = SmtpTransport(settings(port))
    world.restart()
    world.book(appointment(UID, at(2, 8)))
    world.settle()
    world.clock.now = at(2, 9)
    with mail_server(postbox, port=port):
        world.send()
        world.transport.close()
    assert postbox.taken == []
    assert len(world.store.failures(OFFICE)) == 1


def test_a_clock_that_was_ahead_delays_nothing(world, postbox):
    postbox.on_rcpt = lambda _: "450 busy"
    with smtp(world, postbox):
        world.clock.advance(days=2)
        world.book()
        world.settle()
        world.clock.advance(days=-2)
        postbox.on_rcpt = lambda _: None
        world.send()
    assert len(postbox.taken) == 1


def test_an_address_that_is_none_is_shown_to_staff(world):
    world.book(email="erika@localhost")
    assert world.settle() == []
    [failure] = world.store.failures(OFFICE)
    assert "domain" in failure.error
    world.change(phone="5")
    world.settle()
    assert len(world.store.failures(OFFICE)) == 1


def test_after_the_retention_nothing_is_left(any_world):
    any_world.book()
    any_world.book(appointment(OTHER, at(7, 10)), email="max@localhost")
    any_world.settle()
    assert any_world.store.purge(at(7, 12, month=11)) == 0
    assert any_world.store.purge(at(31, 12)) == 3
    with any_world.store.writing() as writing:
        assert writing.standing(OFFICE, UID).told is None
    assert any_world.store.failures(OFFICE) == []


def test_the_load_names_the_oldest(world):
    world.book()
    world.follow()
    load = world.store.load()
    assert (load.waiting, load.failed, load.oldest) == (1, 0, world.clock())
