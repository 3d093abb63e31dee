"""Confirming an address, what runs out, and the mail once more: from the calendar to the mail."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from booking_web.booking.tokens import activation_code, make_token
from booking_web.notifications.letters import Letters, as_text
from booking_web.notifications.told import Decision, Kind, Snapshot, Told, beside
from calendar_server.ical.appointment import ACTIVATION, to_ical
from calendar_server.ical.group import split
from calendar_server.service import Part
from calendar_server.storage import reading
from calendar_server.upkeep import Upkeep
from tests.notifications.test_groups import group
from tests.notifications.town import SECRET, UID, town
from tests.notifications.world import OFFICE, SITE, World
from tests.support.town import NOW, appointment, at

WAITING = replace(
    appointment(UID, reference="K7QM-3XPD"), hold_until=NOW + timedelta(hours=1), awaits=ACTIVATION
)
CODE = activation_code(SECRET, OFFICE, UID, WAITING.email)
LINK = f"https://termin.test/termin/{make_token(SECRET, OFFICE, UID)}/bestaetigen/{CODE}"

# The decision alone ----------------------------------------------------------------------------------------------------

SEEN = Snapshot.of(WAITING, OFFICE)
BOOKED = replace(WAITING, hold_until=None, awaits="")
TOLD = Told(Snapshot.of(BOOKED, OFFICE), 0)


def due(told, awaiting, current, now=NOW):
    found = beside(told, awaiting, current, office=OFFICE, now=now)
    return found and found.kind


@pytest.mark.parametrize(
    ("told", "awaiting", "current", "hours", "kind"),
    [
        (None, None, WAITING, 0, Kind.ACTIVATION),
        (None, SEEN, WAITING, 0.5, Kind.ACTIVATION),
        (None, None, WAITING, 1, None),
        (None, None, replace(WAITING, awaits=""), 0, None),
        (None, None, replace(WAITING, email=""), 0, None),
        (None, SEEN, None, 1, Kind.EXPIRED),
        (None, SEEN, None, 0.5, None),
        (None, None, None, 1, None),
        (None, SEEN, None, 24 * 7, None),
        (TOLD, SEEN, None, 1, None),
        (TOLD, None, BOOKED, 0, None),
        (TOLD, None, replace(BOOKED, resend=NOW), 0, Kind.RESENT),
        (TOLD, None, replace(BOOKED, resend=NOW), 23, Kind.RESENT),
        (TOLD, None, replace(BOOKED, resend=NOW), 25, None),
        (TOLD, None, replace(BOOKED, resend=NOW, cancelled=True), 0, None),
        (replace(TOLD, cancelled=True), None, replace(BOOKED, resend=NOW), 0, None),
        (None, None, replace(BOOKED, resend=NOW), 0, None),
        (TOLD, None, replace(BOOKED, resend=NOW + timedelta(days=3)), 0, None),
    ],
)
def test_what_is_said_while_there_is_no_news(told, awaiting, current, hours, kind):
    assert due(told, awaiting, current, NOW + timedelta(hours=hours)) is kind


def test_a_snapshot_keeps_until_when_it_is_held():
    assert Snapshot.from_json(SEEN.to_json()) == SEEN
    assert Snapshot.from_json(TOLD.snapshot.to_json().replace(', "held_until": null', "")) == TOLD.snapshot


# The letters -----------------------------------------------------------------------------------------------------------


def letter(kind: Kind, told: Told) -> str:
    return as_text(Letters(town(), SECRET).letter(Decision(kind, told)))


def test_the_mail_that_asks_for_confirmation():
    assert letter(Kind.ACTIVATION, Told(SEEN, 0)) == ASKED.replace("LINK", LINK)


ASKED = """\
Guten Tag,

Jemand hat mit dieser E-Mail-Adresse einen Termin bei uns ausgesucht. Waren Sie das? Dann bestätigen Sie ihn bitte \
bis 13:00 Uhr. So lange halten wir die Zeit frei. Erst danach gilt der Termin. Waren Sie das nicht? Dann müssen Sie nichts tun.

Wann: Montag, 7. Dezember 2026, 8:00 Uhr
Dauer: etwa 30 Minuten
Anliegen: Meldebescheinigung
Ort: Bürgerbüro, Rathaus, Marktplatz 1, 59872 Meschede
Vorgangsnummer: K7QM-3XPD

Termin bestätigen:
LINK

Haben Sie Fragen? Rufen Sie uns an: +49 291 0000. Sagen Sie uns dann Ihre Vorgangsnummer K7QM-3XPD.

Der Link gilt nur für Ihren Termin. Bitte geben Sie ihn nicht weiter.

Freundliche Grüße
Bürgerbüro
Stadt Meschede

--\N{SPACE}
Ein Programm hat diese E-Mail verschickt.
"""


def test_the_mail_about_what_ran_out():
    assert letter(Kind.EXPIRED, Told(SEEN, 0)) == RAN_OUT


RAN_OUT = """\
Guten Tag,

Sie haben sich eine Zeit ausgesucht und sie nicht bestätigt. Deshalb haben wir die Zeit wieder freigegeben. \
Möchten Sie trotzdem kommen? Dann buchen Sie bitte einen neuen Termin.

Wann: Montag, 7. Dezember 2026, 8:00 Uhr
Anliegen: Meldebescheinigung
Ort: Bürgerbüro, Rathaus, Marktplatz 1, 59872 Meschede
Vorgangsnummer: K7QM-3XPD

Neuen Termin buchen:
https://termin.test/termin/?office=buergerbuero&service=meldebescheinigung

Haben Sie Fragen? Rufen Sie uns an: +49 291 0000. Sagen Sie uns dann Ihre Vorgangsnummer K7QM-3XPD.

Freundliche Grüße
Bürgerbüro
Stadt Meschede

--\N{SPACE}
Ein Programm hat diese E-Mail verschickt.
"""


@pytest.mark.parametrize("kind", [Kind.ACTIVATION, Kind.EXPIRED])
def test_an_address_that_nobody_proved_gets_nothing_that_was_entered_as_a_name(kind):
    seen = replace(SEEN, name="Gewinnen Sie jetzt")
    assert "Gewinnen" not in letter(kind, Told(seen, 0))


# The whole way ---------------------------------------------------------------------------------------------------------


def test_she_is_asked_and_after_confirming_she_is_told(any_world: World):
    any_world.book(WAITING)
    [asked] = any_world.settle()
    assert (asked.calendar, asked.message["Auto-Submitted"]) == (None, "auto-generated")
    assert LINK in asked.text
    assert any_world.settle() == []
    any_world.change(hold_until=None, awaits="")
    [confirmed] = any_world.settle()
    assert (confirmed.method, confirmed.sequence) == ("REQUEST", 0)
    any_world.clock.advance(hours=2)
    Upkeep(any_world.service).release_holds()
    assert any_world.settle() == []


def test_what_she_does_not_confirm_is_free_and_she_is_told_once(any_world: World):
    any_world.book(WAITING)
    any_world.settle()
    any_world.clock.advance(minutes=61)
    assert Upkeep(any_world.service).release_holds() == 1
    [told] = any_world.settle()
    assert "wieder frei" in told.subject
    assert told.calendar is None
    assert any_world.settle() == []
    any_world.restart()
    assert any_world.settle() == []


def test_whoever_takes_the_expired_place_she_is_told_all_the_same(world: World):
    world.book(WAITING)
    world.settle()
    world.clock.advance(minutes=61)
    world.book(appointment("other@test", email="other@example.org"))
    subjects = sorted(mail.subject for mail in world.settle())
    assert ["wieder frei" in subject for subject in subjects] == [True, False]


def test_who_gives_it_back_hears_nothing_more(world: World):
    world.book(WAITING)
    world.settle()
    world.delete()
    world.clock.advance(minutes=61)
    assert world.settle() == []


def test_a_hold_whose_form_is_being_filled_in_gives_no_mail(world: World):
    world.book(replace(WAITING, awaits="", name="", email=""))
    assert world.settle() == []
    world.clock.advance(minutes=61)
    Upkeep(world.service).release_holds()
    assert world.settle() == []


def test_what_was_never_asked_is_never_told_to_have_run_out(world: World):
    world.book(WAITING)
    world.follow()
    world.clock.advance(minutes=61)
    Upkeep(world.service).release_holds()
    assert world.settle() == []


def test_a_mail_that_could_not_leave_in_time_does_not_leave_later(world: World):
    world.book(WAITING)
    world.follow()
    world.clock.advance(minutes=61)
    assert world.send() == 1
    assert world.mails() == []


def test_a_corrected_address_is_asked_anew(world: World):
    world.book(WAITING)
    [first] = world.settle()
    world.change(email="richtig@example.org")
    [second] = world.settle()
    assert second.message["To"].addresses[0].addr_spec == "richtig@example.org"
    assert second.id != first.id
    assert LINK not in second.text, "the former address's link no longer confirms"
    world.clock.advance(minutes=61)
    Upkeep(world.service).release_holds()
    [told] = world.settle()
    assert told.message["To"].addresses[0].addr_spec == "richtig@example.org"


def test_the_question_is_repeated_when_she_asks_for_it(world: World):
    world.book(WAITING)
    [first] = world.settle()
    world.clock.advance(minutes=5)
    world.change(resend=world.clock())
    [again] = world.settle()
    assert again.text == first.text
    assert again.id != first.id
    assert world.settle() == []


def test_the_mail_once_more_replaces_and_never_doubles(any_world: World):
    any_world.book()
    [first] = any_world.settle()
    any_world.clock.advance(minutes=5)
    any_world.change(resend=any_world.clock())
    [again] = any_world.settle()
    assert (again.method, again.event["UID"], again.sequence) == ("REQUEST", first.event["UID"], 0)
    assert again.start == first.start
    assert again.event["DTSTAMP"].dt > first.event["DTSTAMP"].dt
    assert again.message["In-Reply-To"] == first.id
    assert again.id != first.id, "a mailbox that has the first one would throw the second away"
    assert "noch einmal" in again.subject
    any_world.restart()
    assert any_world.settle() == []
    any_world.change(reminder=True)
    assert any_world.settle() == []


def test_it_says_what_stands_now(world: World):
    world.book()
    world.settle()
    world.change(start=at(7, 9))
    world.settle()
    world.change(resend=world.clock())
    [again] = world.settle()
    assert (again.sequence, again.start) == (1, at(7, 9))


def test_news_that_are_due_anyway_are_mail_enough(world: World):
    world.book()
    world.settle()
    world.change(start=at(7, 9), resend=world.clock())
    [news] = world.settle()
    assert "Sie haben Ihren Termin verschoben" in news.text
    assert len(world.settle()) <= 1


def test_a_change_after_the_repetition_is_the_next_revision(world: World):
    world.book()
    world.settle()
    world.change(resend=world.clock())
    world.settle()
    world.change(start=at(7, 9))
    [moved] = world.settle()
    assert (moved.sequence, moved.start) == (1, at(7, 9))


def test_retention_forgets_whom_it_asked(world: World):
    world.book(WAITING)
    world.settle()
    with world.store.writing() as writing:
        assert writing.awaiting(OFFICE, UID) is not None
    world.store.purge(at(8, 0))
    with world.store.writing() as writing:
        assert writing.awaiting(OFFICE, UID) is None


# A group is asked and told as one ----------------------------------------------------------------------------------------


def rewrite(world, value):
    """Write the whole group anew."""
    with world.service.database.read() as connection:
        known = {each.uid: reading.booking(connection, OFFICE, each.uid) for each in split(value)}
    puts = [
        Part(to_ical(each, now=NOW), row.etag if (row := known[each.uid]) is not None else "")
        for each in split(value)
    ]
    world.service.write_together(OFFICE, puts, [], SITE)


def test_a_group_is_asked_once_and_told_once(any_world: World):
    waiting = replace(group(at(7, 8), at(7, 8)), hold_until=WAITING.hold_until, awaits=ACTIVATION)
    rewrite(any_world, waiting)
    [asked] = any_world.settle()
    assert LINK in asked.text
    booked = replace(waiting, hold_until=None, awaits="")
    rewrite(any_world, booked)
    [confirmed] = any_world.settle()
    assert (confirmed.method, confirmed.sequence) == ("REQUEST", 0)
    any_world.clock.advance(minutes=1)
    rewrite(any_world, replace(booked, resend=any_world.clock()))
    [again] = any_world.settle()
    assert (again.method, again.sequence, again.event["UID"]) == ("REQUEST", 0, confirmed.event["UID"])
    assert any_world.settle() == []


def test_a_group_that_ran_out_is_told_once(world: World):
    rewrite(world, replace(group(at(7, 8), at(7, 8)), hold_until=WAITING.hold_until, awaits=ACTIVATION))
    world.settle()
    world.clock.advance(minutes=61)
    assert Upkeep(world.service).release_holds() == 2
    [told] = world.settle()
    assert "wieder frei" in told.subject
