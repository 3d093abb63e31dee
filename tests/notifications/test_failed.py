"""What becomes of mails that failed, when the appointment or its time has gone on meanwhile."""

from __future__ import annotations

import pytest

from booking_web.notifications.smtp import SmtpTransport
from tests.notifications.servers import Postbox, mail_server
from tests.notifications.test_sender import arrived
from tests.notifications.test_smtp import settings
from tests.notifications.town import UID
from tests.notifications.world import LEAD, OFFICE, World
from tests.support.ports import free_port
from tests.support.town import at


@pytest.fixture
def postbox():
    return Postbox(on_rcpt=lambda _: "550 no")


@pytest.fixture
def refused(any_world: World, postbox):
    """A world in which the confirmation was refused, and the next mails won't be."""
    port = free_port()
    any_world.transport = SmtpTransport(settings(port))
    any_world.restart()
    with mail_server(postbox, port=port):
        any_world.book()
        any_world.settle()
        assert len(any_world.store.failures(OFFICE)) == 1
        yield any_world
        any_world.transport.close()


def again(world: World) -> list[bool]:
    return [world.store.try_again(one.id, now=world.clock()) for one in world.store.failures(OFFICE)]


def test_staff_sees_the_newest_only(refused):
    refused.change(start=at(7, 9))
    refused.settle()
    [failure] = refused.store.failures(OFFICE)
    assert failure.start == at(7, 9)


def test_an_older_state_never_leaves_after_a_newer_one_was_refused(refused, postbox):
    refused.change(start=at(7, 9))
    refused.settle()
    postbox.on_rcpt = lambda _: None
    assert again(refused) == [True]
    refused.settle()
    assert [mail.start for mail in arrived(postbox)] == [at(7, 9)]
    assert refused.store.failures(OFFICE) == []


def test_what_was_cancelled_meanwhile_is_not_confirmed(refused, postbox):
    refused.delete(actor=LEAD)
    refused.settle()
    postbox.on_rcpt = lambda _: None
    assert again(refused) == []
    refused.settle()
    assert postbox.taken == []


def test_what_was_moved_back_to_what_she_knows_is_settled(refused, postbox):
    postbox.on_rcpt = lambda _: None
    assert again(refused) == [True]
    refused.settle()
    postbox.on_rcpt = lambda _: "550 no"
    refused.change(start=at(7, 9))
    refused.settle()
    assert len(refused.store.failures(OFFICE)) == 1
    refused.change(start=at(7, 8))
    refused.settle()
    assert refused.store.failures(OFFICE) == []


def test_another_clerk_or_number_leaves_a_failure_to_staff(refused):
    refused.change(phone="0291 5")
    refused.settle()
    assert len(refused.store.failures(OFFICE)) == 1


def test_what_is_over_is_not_tried_again(refused, postbox):
    postbox.on_rcpt = lambda _: None
    refused.clock.now = at(7, 9)
    assert again(refused) == [False]
    refused.settle()
    assert postbox.taken == []


def test_a_second_attempt_lasts_as_long_as_the_appointment(refused, postbox):
    postbox.on_rcpt = lambda _: "450 busy"
    refused.clock.now = at(7, 7)
    assert again(refused) == [True]
    refused.settle()
    postbox.on_rcpt = lambda _: None
    refused.clock.now = at(7, 9)
    refused.settle()
    assert postbox.taken == []
    assert len(refused.store.failures(OFFICE)) == 1


def test_a_move_that_may_have_been_told_is_taken_back_though_its_repeat_was_refused(refused, postbox):
    postbox.on_rcpt = lambda _: None
    assert again(refused) == [True]
    refused.settle()
    refused.change(start=at(7, 9))
    postbox.drop_after_data = 1
    refused.settle()
    postbox.on_rcpt = lambda _: "550 no"
    refused.clock.advance(minutes=1)
    refused.settle()
    assert len(refused.store.failures(OFFICE)) == 1
    postbox.on_rcpt = lambda _: None
    refused.change(start=at(7, 8))
    refused.settle()
    assert [mail.start for mail in arrived(postbox)] == [at(7, 8), at(7, 9), at(7, 8)]
    assert arrived(postbox)[-1].sequence > arrived(postbox)[-2].sequence
    assert refused.stored(UID).start == at(7, 8)
