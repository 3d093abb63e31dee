"""Who hears of what: the whole way from a change in the calendar to the mail, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete

from calendar_server.ical.appointment import ServiceLine, to_ical
from calendar_server.service import Actor, Preconditions
from calendar_server.storage.changes import IMPORTED
from calendar_server.storage.schema import objects
from calendar_server.upkeep import Upkeep, UpkeepSettings
from tests.notifications.town import UID
from tests.notifications.world import CLERK, LEAD, OFFICE, World
from tests.support.town import NOW, appointment, at


def test_a_booking_is_confirmed(any_world: World):
    any_world.book()
    [mail] = any_world.settle()
    assert (mail.method, mail.sequence, mail.start) == ("REQUEST", 0, at(7, 8))
    assert mail.event["UID"] == UID
    assert "7. Dezember 2026, 8:00 Uhr" in mail.subject


def test_nothing_new_no_mail(world: World):
    world.book()
    world.settle()
    assert world.settle() == []


def test_a_move_by_the_citizen(world: World):
    world.book()
    [first] = world.settle()
    world.change(start=at(7, 9))
    [second] = world.settle()
    assert (second.method, second.sequence, second.start) == ("REQUEST", 1, at(7, 9))
    assert second.event["UID"] == first.event["UID"]
    assert second.message["In-Reply-To"] == first.id
    assert second.id != first.id
    assert "Sie haben Ihren Termin verschoben" in second.text
    assert "Bisher: Montag, 7. Dezember 2026, 8:00 Uhr" in second.text


def test_a_move_in_a_clerks_client(any_world: World):
    any_world.book()
    any_world.settle()
    moved = any_world.stored().at(at(9, 9))
    owner = any_world.holder()
    any_world.service.put(
        f"{owner}/calendar", f"{UID}.ics", to_ical(moved, now=NOW), CLERK, Preconditions(if_match="*")
    )
    [mail] = any_world.settle()
    assert (mail.sequence, mail.start) == (1, at(9, 9))
    assert "Ihr Termin hat eine neue Zeit" in mail.text


def test_a_move_by_a_plan_gives_its_reason(world: World):
    world.book()
    world.settle()
    world.change(start=at(7, 10), reason="Krankheit", actor=LEAD)
    [mail] = world.settle()
    assert "Der Grund: Krankheit" in mail.text


def test_three_moves_before_the_mail_leaves_are_one_mail(any_world: World):
    any_world.book()
    any_world.settle()
    for hour in (9, 10, 11):
        any_world.change(start=at(7, hour))
    [mail] = any_world.settle()
    assert (mail.sequence, mail.start) == (3, at(7, 11))


def test_moves_followed_one_by_one_while_no_mail_leaves_are_one_mail(world: World):
    world.book()
    world.settle()
    for hour in (9, 10):
        world.change(start=at(7, hour))
        world.follow()
    [mail] = world.settle()
    assert mail.start == at(7, 10)


def test_what_somebody_else_writes_before_the_mail_leaves_does_not_change_who_moved_it(any_world: World):
    any_world.book()
    any_world.settle()
    any_world.change(start=at(7, 9), reason="Krankheit", actor=LEAD)
    any_world.follow()
    any_world.change(reminder=True)
    [mail] = any_world.settle()
    assert "Ihr Termin hat eine neue Zeit" in mail.text
    assert "Der Grund: Krankheit" in mail.text
    any_world.clock.now = at(6, 10)
    [reminder] = any_world.settle()
    assert "9:00 Uhr" in reminder.subject


def test_moved_back_before_the_mail_left(any_world: World):
    any_world.book()
    any_world.settle()
    any_world.change(start=at(7, 9))
    any_world.follow()
    any_world.change(start=at(7, 8))
    assert any_world.settle() == []
    assert any_world.store.load().waiting == 0


def test_booked_and_cancelled_before_the_mail_left(world: World):
    world.book()
    world.follow()
    world.delete()
    assert world.settle() == []


def test_cancelled_by_the_citizen(any_world: World):
    any_world.book()
    any_world.settle()
    any_world.delete()
    [mail] = any_world.settle()
    assert (mail.method, mail.sequence, mail.event["STATUS"]) == ("CANCEL", 1, "CANCELLED")
    assert "Sie haben Ihren Termin abgesagt" in mail.text


def test_deleted_in_a_clerks_client(world: World):
    world.book()
    world.settle()
    world.delete(actor=CLERK)
    [mail] = world.settle()
    assert mail.method == "CANCEL"
    assert "kann leider nicht stattfinden" in mail.text
    assert "https://termin.test/termin/?office=buergerbuero&service=meldebescheinigung" in mail.text


def test_cancelled_and_booked_anew_under_its_uid(any_world: World):
    any_world.book()
    any_world.settle()
    any_world.delete(actor=CLERK)
    [cancelled] = any_world.settle()
    any_world.book(actor=LEAD)
    [restored] = any_world.settle()
    assert restored.method == "REQUEST"
    assert restored.sequence > cancelled.sequence
    assert "findet er doch statt" in restored.text


def test_a_cancellation_that_was_taken_back_before_the_mail_left(any_world: World):
    any_world.book()
    any_world.settle()
    any_world.delete(actor=CLERK)
    any_world.follow()
    any_world.book(actor=LEAD)
    assert any_world.settle() == []


def test_what_the_office_takes_back_at_once_is_never_told(world: World):
    world.book()
    world.settle()
    world.delete(actor=CLERK)
    world.follow()
    world.send()
    world.clock.advance(seconds=3)
    world.book(actor=CLERK)
    assert world.settle() == []


def test_what_the_citizen_does_is_told_at_once(world: World):
    world.book()
    world.settle()
    before = world.clock()
    world.delete()
    assert len(world.settle()) == 1
    assert world.clock() == before


def test_a_plan_moves_cancels_and_is_undone(any_world: World):
    other = "b" * 26 + "@termin.test"
    third = "c" * 26 + "@termin.test"
    for uid, hour in ((UID, 8), (other, 9), (third, 10)):
        any_world.book(appointment(uid, at(7, hour)))
    any_world.settle()
    plan = any_world.propose(
        any_world.step(UID, start=at(9, 8), reason="Krankheit"),
        any_world.step(other, cancel=True, reason="Krankheit"),
        any_world.step(third, clerk="clerk2" if any_world.holder(third) == "clerk1" else "clerk1"),
    )
    any_world.plans.apply(plan.id, LEAD)
    mails = {str(mail.event["UID"]): mail for mail in any_world.settle()}
    assert set(mails) == {UID, other}, "the third only changes its clerk"
    assert (mails[UID].method, mails[UID].start) == ("REQUEST", at(9, 8))
    assert mails[other].method == "CANCEL"
    assert all("Der Grund: Krankheit" in mail.text for mail in mails.values())
    any_world.plans.undo(plan.id, LEAD)
    back = {str(mail.event["UID"]): mail for mail in any_world.settle()}
    assert set(back) == {UID, other}
    assert back[UID].start == at(7, 8)
    assert "findet er doch statt" in back[other].text
    assert all(back[uid].sequence > mails[uid].sequence for uid in back)


def test_a_plan_that_moves_proposes_and_agreeing_is_no_news(any_world: World):
    any_world.book()
    any_world.settle()
    plan = any_world.propose(any_world.step(UID, start=at(9, 8), reason="Krankheit"))
    any_world.plans.apply(plan.id, LEAD)
    [mail] = any_world.settle()
    assert (mail.method, mail.sequence, mail.start) == ("REQUEST", 1, at(9, 8))
    assert mail.event["ATTENDEE"].params["PARTSTAT"] == "NEEDS-ACTION"
    assert "Dann sagen Sie uns bitte kurz Ja." in mail.text
    assert any_world.stored().proposed == at(7, 8)
    any_world.change(proposed=None)
    assert any_world.settle() == []
    assert any_world.stored().sequence == 1


def test_a_clerks_client_cannot_agree_for_her(world: World):
    world.book()
    plan = world.propose(world.step(UID, start=at(9, 8)))
    world.plans.apply(plan.id, LEAD)
    stripped = to_ical(replace(world.stored(), proposed=None), now=NOW)
    world.service.put(
        f"{world.holder()}/calendar", f"{UID}.ics", stripped, CLERK, Preconditions(if_match="*")
    )
    assert world.stored().proposed == at(7, 8)


def test_a_second_plan_and_its_undoing_keep_the_first_time(world: World):
    world.book()
    world.settle()
    first = world.propose(world.step(UID, start=at(9, 8)))
    world.plans.apply(first.id, LEAD)
    second = world.propose(world.step(UID, start=at(9, 9)))
    world.plans.apply(second.id, LEAD)
    assert world.stored().proposed == at(7, 8)
    world.settle()
    world.plans.undo(second.id, LEAD)
    assert (world.stored().start, world.stored().proposed) == (at(9, 8), at(7, 8))


def test_undoing_asks_nothing(world: World):
    world.book()
    world.settle()
    plan = world.propose(world.step(UID, start=at(9, 8)))
    world.plans.apply(plan.id, LEAD)
    world.settle()
    world.plans.undo(plan.id, LEAD)
    assert (world.stored().start, world.stored().proposed) == (at(7, 8), None)
    [mail] = world.settle()
    assert mail.start == at(7, 8)
    assert "Ihr Termin hat eine neue Zeit" in mail.text


def test_a_plan_moves_and_is_undone_before_the_mail_left(world: World):
    world.book()
    world.settle()
    plan = world.propose(world.step(UID, start=at(9, 8)))
    world.plans.apply(plan.id, LEAD)
    world.follow()
    world.plans.undo(plan.id, LEAD)
    assert world.settle() == []


def test_a_hold_and_its_expiry_say_nothing(world: World):
    world.book(hold_until=world.clock() + timedelta(minutes=10))
    assert world.settle() == []
    world.clock.advance(minutes=11)
    world.book(appointment("b" * 26 + "@termin.test", at(7, 10)), email="")
    assert world.settle() == []


def test_a_hold_that_is_confirmed(any_world: World):
    any_world.book(hold_until=any_world.clock() + timedelta(minutes=10), email="", name="")
    any_world.settle()
    any_world.change(hold_until=None, email="erika@example.org", name="Erika Muster")
    [mail] = any_world.settle()
    assert "Sie haben einen Termin" in mail.text
    assert mail.message["To"] == "Erika Muster <erika@example.org>"


def test_another_clerk_is_no_news(world: World):
    world.book()
    world.settle()
    owner = world.holder()
    other = "clerk2" if owner == "clerk1" else "clerk1"
    names = (f"{owner}/calendar", f"{UID}.ics", f"{other}/calendar", f"{UID}.ics")
    world.service.move(*names, LEAD, overwrite=False)
    assert world.holder() == other
    assert world.settle() == []


def test_other_services_are_an_update(world: World):
    world.book()
    world.settle()
    world.change(services=(ServiceLine("reisepass", 2), ServiceLine("meldebescheinigung")))
    [mail] = world.settle()
    assert mail.sequence == 1
    assert "Reisepass (2 Personen), Meldebescheinigung" in mail.text


def test_another_place_is_told(world: World):
    world.book()
    world.settle()
    world.change(location="Zimmer 7", actor=CLERK)
    [mail] = world.settle()
    assert mail.event["LOCATION"] == "Zimmer 7"


def test_without_an_address_nobody_is_told(world: World):
    world.book(email="")
    assert world.settle() == []
    world.delete()
    assert world.settle() == []


def test_an_appointment_that_is_over_is_no_news(world: World):
    world.book()
    world.settle()
    world.clock.now = at(7, 12)
    world.delete(actor=CLERK)
    assert world.settle() == []


def test_what_the_calendar_files_away_is_not_cancelled(any_world: World):
    any_world.book()
    any_world.settle()
    upkeep = Upkeep(any_world.service, UpkeepSettings(archive_after_days=1, erase_after_days=1))
    any_world.clock.now = at(9, 8)
    assert upkeep.archive() == 1
    assert any_world.settle() == []
    with any_world.store.writing() as writing:
        writing.set_cursor(OFFICE, 0)
    assert any_world.settle() == []


def test_a_clock_that_was_far_ahead_for_a_moment_cancels_nothing(world: World):
    world.book()
    world.settle()
    now = world.clock()
    world.clock.advance(days=365)
    assert Upkeep(world.service).archive() == 1
    world.clock.now = now
    assert world.settle() == []


def test_a_corrected_address_gets_a_confirmation(world: World):
    world.book(email="erica@example.org")
    world.settle()
    world.change(email="erika@example.org")
    [mail] = world.settle()
    assert mail.message["To"] == "Erika Muster <erika@example.org>"
    assert "Sie haben einen Termin" in mail.text


def test_many_at_once(any_world: World):
    uids = [f"{letter * 26}@termin.test" for letter in "abcdefghijklmnop"]
    for at_, uid in enumerate(uids):
        any_world.book(
            appointment(uid, at(7, 8) + timedelta(minutes=30 * (at_ // 2))), email=f"{uid[0]}@example.org"
        )
    assert len(any_world.settle()) == len(uids)
    for uid in uids:
        any_world.delete(uid, actor=LEAD)
    mails = any_world.settle()
    assert {mail.event["UID"] for mail in mails} == set(uids)
    assert {mail.method for mail in mails} == {"CANCEL"}


def test_what_merely_cannot_be_found_is_not_cancelled(world: World):
    world.book()
    world.settle()
    cursor = world.store.cursor(OFFICE)
    with world.service.database.write() as connection:
        connection.execute(delete(objects).where(objects.c.uid == UID))
    with world.store.writing() as writing:
        writing.set_cursor(OFFICE, cursor - 1)
    assert world.settle() == []
    assert world.store.cursor(OFFICE) == cursor


def test_after_a_restored_backup_the_log_is_followed_anew(any_world: World):
    any_world.book()
    any_world.settle()
    with any_world.store.writing() as writing:
        writing.set_cursor(OFFICE, 10_000)
    any_world.change(start=at(7, 9))
    [mail] = any_world.settle()
    assert mail.start == at(7, 9)


IMPORT = Actor(IMPORTED, authoritative=True, restores=True)


def test_who_is_imported_knows_already_and_hears_of_what_changes(any_world):
    any_world.book(actor=IMPORT, reminder=True)
    assert any_world.settle() == []
    any_world.restart()
    assert any_world.settle() == []
    any_world.change(actor=CLERK, start=at(9, 9), end=at(9, 9, 30))
    [mail] = any_world.settle()
    assert mail.method == "REQUEST"
    assert "Bisher" in mail.text
    any_world.clock.now = at(8, 10)
    [reminder] = any_world.settle()
    assert "Erinnerung" in reminder.subject


def test_who_is_imported_hears_of_a_cancellation(world):
    world.book(actor=IMPORT)
    world.settle()
    world.delete(actor=CLERK)
    [mail] = world.settle()
    assert mail.method == "CANCEL"


def test_what_was_cancelled_elsewhere_is_imported_in_silence(world):
    world.book(actor=IMPORT, cancelled=True)
    assert world.stored().cancelled
    assert world.settle() == []
