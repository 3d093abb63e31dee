"""What people on the waiting list are told: the decision alone, and the whole way to the mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import pytest

from booking_web.booking.tokens import make_token
from booking_web.notifications.told import Kind, Told
from booking_web.notifications.wishes import decide_wish, snapshot_of
from calendar_server.upkeep import Upkeep
from calendar_server.wishes import Wish, WishState
from tests.notifications.town import HOST, SECRET
from tests.notifications.world import CLERK, OFFICE, SITE
from tests.notifications.world import world as make_world
from tests.support.databases import fresh_postgresql, fresh_sqlite
from tests.support.town import NOW, appointment, at, clerk, directory
from tests.support.waiting import waiting_office, wish

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.notifications.world import World

WANTED = appointment("u@test")
UNTIL = NOW + timedelta(hours=4)
WISH = Wish(
    id="w@test",
    office=OFFICE,
    uid="u@test",
    services=frozenset({"meldebescheinigung"}),
    minutes=30,
    first=int(at(2, 0).timestamp()),
    last=int(at(31, 0).timestamp()),
    created=0,
)
OFFERED = replace(
    WISH,
    state=WishState.OFFERED,
    revision=1,
    offered_start=int(at(7, 9).timestamp()),
    offered_until=int(UNTIL.timestamp()),
)


def told(known: Wish) -> Told:
    return Told(snapshot_of(known, WANTED), known.revision)


def ended(state: WishState) -> Wish:
    return replace(WISH, state=state, revision=5)


@pytest.mark.parametrize(
    ("before", "now", "values", "kind"),
    [
        (None, WISH, {}, Kind.WAITING),
        (WISH, WISH, {}, None),
        (None, OFFERED, {}, Kind.OFFER),
        (WISH, OFFERED, {}, Kind.OFFER),
        (OFFERED, OFFERED, {}, None),
        (OFFERED, replace(OFFERED, revision=2, offered_start=int(at(7, 10).timestamp())), {}, Kind.OFFER),
        (WISH, OFFERED, {"now": UNTIL}, None),
        (OFFERED, ended(WishState.WAITING), {"by_citizen": True}, None),
        (OFFERED, ended(WishState.WAITING), {"now": UNTIL}, None),
        (OFFERED, ended(WishState.WAITING), {}, Kind.WITHDRAWN),
        (OFFERED, ended(WishState.WAITING), {"now": UNTIL, "at": NOW}, Kind.WITHDRAWN),
        (OFFERED, ended(WishState.TAKEN), {"by_citizen": True}, None),
        (OFFERED, ended(WishState.LEFT), {"by_citizen": True}, None),
        (OFFERED, ended(WishState.UNANSWERED), {}, Kind.WAITING_OVER),
        (WISH, ended(WishState.OVER), {}, Kind.WAITING_OVER),
        (ended(WishState.OVER), ended(WishState.OVER), {}, None),
        (None, ended(WishState.OVER), {}, None),
    ],
)
def test_what_is_told(before, now, values, kind):
    decision = decide_wish(before and told(before), now, WANTED, **{"now": NOW, **values})
    assert (decision and decision.kind) == kind
    if decision is not None and before is not None:
        assert decision.told.sequence > before.revision


def test_what_could_not_be_delivered_is_not_tried_again():
    assert decide_wish(None, WISH, WANTED, now=NOW, refused=told(WISH)) is None


def test_what_she_was_told_survives_being_stored():
    seen = snapshot_of(OFFERED, WANTED)
    assert type(seen).from_json(seen.to_json()) == seen
    assert (seen.start, seen.held_until) == (at(7, 9), UNTIL)


# The whole way ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """One clerk, whose only free Monday is booked from eight to ten; nobody can come at other times."""
    if request.param == "sqlite":
        urls = (fresh_sqlite(tmp_path), f"sqlite:///{tmp_path / 'worker.sqlite'}")
    else:
        urls = (fresh_postgresql(),) * 2
    offices = directory(waiting_office(clerk("clerk1")))
    with make_world(*urls, tmp_path, offices=offices) as made:
        for hour in (8, 9):
            made.book(appointment(f"a{hour}@test", at(7, hour), minutes=60, email=""))
        yield made


def wait_for(world: World, name: str, **values) -> None:
    world.service.waiting.add(wish(name, minutes=60, since=at(7, 0), until=at(7, 9, 30), **values), SITE)


def links(mail, page: str = "warteliste") -> list[str]:
    return [line for line in mail.text.splitlines() if line.startswith("https://") and page in line]


def test_what_replaces_her_appointment_is_told_as_its_move(world):
    world.book(appointment("mine@test", at(14, 8), minutes=60, email="w1@example.org"))
    world.settle()
    wait_for(world, "w1", replaces="mine@test")
    [waiting] = world.settle()
    assert "statt Ihres bisherigen" not in waiting.text
    world.delete("a9@test")
    [offer] = world.settle()
    assert "Nehmen Sie diesen Termin an, gilt er statt Ihres bisherigen Termins." in offer.text
    world.service.waiting.accept("w1@test", int(at(7, 9).timestamp()), SITE)
    [moved] = world.settle()
    assert moved.subject == "Ihr Termin ist verschoben: Montag, 7. Dezember 2026, 9:00 Uhr"
    assert (moved.event["UID"], moved.event["SEQUENCE"]) == ("mine@test", 1)


def test_waiting_offered_and_taken(world):
    wait_for(world, "w1")
    [waiting] = world.settle()
    assert waiting.subject == "Sie stehen auf der Warteliste"
    assert waiting.message["To"] == "Wartende w1 <w1@example.org>"
    assert links(waiting) == [f"https://{HOST}/termin/warteliste/{make_token(SECRET, OFFICE, 'w1@test')}"]
    world.delete("a9@test")
    [offer] = world.settle()
    assert offer.subject == "Ein Termin ist für Sie frei: Montag, 7. Dezember 2026, 9:00 Uhr"
    assert "Antwort bis: Dienstag, 1. Dezember 2026, 16:00 Uhr" in offer.text
    assert offer.message["In-Reply-To"] == waiting.id
    assert (offer.method, links(offer)) == ("", links(waiting))
    world.service.waiting.accept("w1@test", int(at(7, 9).timestamp()), SITE)
    [confirmation] = world.settle()
    assert (confirmation.method, confirmation.start, confirmation.sequence) == ("REQUEST", at(7, 9), 0)


def test_who_lets_an_offer_run_out_hears_no_more_and_the_next_one_is_told(world):
    wait_for(world, "w1")
    world.clock.advance(minutes=1)
    wait_for(world, "w2")
    world.delete("a9@test")
    world.settle()
    world.clock.advance(hours=4, minutes=1)
    Upkeep(world.service).release_holds()
    [mail] = world.settle()
    assert "w2@example.org" in str(mail.message["To"])
    assert mail.subject.startswith("Ein Termin ist für Sie frei")


def test_what_she_declines_gives_her_no_mail(world):
    wait_for(world, "w1")
    world.delete("a9@test")
    world.settle()
    world.service.waiting.decline("w1@test", int(at(7, 9).timestamp()), SITE)
    assert world.settle() == []


def test_an_offer_that_the_office_takes_back_is_told(world):
    wait_for(world, "w1")
    world.delete("a9@test")
    world.settle()
    world.service.delete("clerk1/calendar", "w1-booked@test.ics", CLERK)
    [mail] = world.settle()
    assert mail.subject == "Das Angebot gilt nicht mehr: Montag, 7. Dezember 2026, 9:00 Uhr"


def test_a_clerk_who_moves_the_held_time_has_it_told_anew(world):
    wait_for(world, "w1")
    world.delete("a9@test")
    world.settle()
    world.delete("a8@test")
    world.change("w1-booked@test", actor=CLERK, start=at(7, 8))
    [mail] = world.settle()
    assert mail.subject == "Ein Termin ist für Sie frei: Montag, 7. Dezember 2026, 8:00 Uhr"
    assert "Antwort bis: Dienstag, 1. Dezember 2026, 16:00 Uhr" in mail.text


def test_joined_offered_and_left_before_a_mail_left_is_no_mail(world):
    wait_for(world, "w1")
    world.delete("a9@test")
    world.follow()
    world.service.waiting.leave("w1@test", SITE)
    assert world.settle() == []


def test_the_end_is_told_once(world):
    wait_for(world, "w1")
    world.settle()
    world.clock.now = at(7, 9).astimezone(UTC)
    assert Upkeep(world.service).tend_waiting_lists() == 1
    [mail] = world.settle()
    assert mail.subject == "Ihr Platz auf der Warteliste ist zu Ende"
    assert links(mail, "termin/?office=buergerbuero&service=meldebescheinigung")
    world.clock.advance(days=1)
    Upkeep(world.service).tend_waiting_lists()
    assert world.settle() == []


def test_two_offers_without_an_answer_are_told_as_the_end(world):
    world.service.waiting.add(wish("w1", minutes=60, since=at(7, 0), until=at(7, 15)), SITE)
    world.settle()
    # She is offered ten o'clock at once, and later one that is given back.
    for _ in range(2):
        world.clock.advance(hours=15)
        Upkeep(world.service).release_holds()
        Upkeep(world.service).tend_waiting_lists()
        world.settle()
    assert world.mails()[-1].subject == "Ihr Platz auf der Warteliste ist zu Ende"
    assert "keine Antwort" in world.mails()[-1].text


def test_an_offer_that_cannot_leave_in_time_is_shown_to_staff(world):
    wait_for(world, "w1")
    world.settle()
    world.delete("a9@test")
    world.follow()
    world.clock.advance(hours=4, minutes=1)
    assert world.send() in {0, 1}
    assert len(world.mails()) == 1
    assert [failure.kind for failure in world.store.failures(OFFICE)] == [Kind.OFFER]


def test_a_worker_that_starts_anew_tells_nothing_twice(world):
    wait_for(world, "w1")
    world.settle()
    world.restart()
    with world.store.writing() as writing:
        writing.set_cursor(OFFICE, 0)
    assert world.settle() == []


def test_in_her_language(world):
    english = wish("w1", minutes=60, since=at(7, 0), until=at(7, 9, 30))
    text = english.text.replace("X-TERMIN-LANGUAGE:de", "X-TERMIN-LANGUAGE:en")
    world.service.waiting.add(replace(english, text=text), SITE)
    [mail] = world.settle()
    assert mail.subject == "You are on the waiting list"
    assert links(mail, "/en/termin/warteliste/")
