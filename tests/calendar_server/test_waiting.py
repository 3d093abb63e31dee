"""The waiting list on both databases: who is offered what becomes free, and that nobody else can take it meanwhile."""

from __future__ import annotations

import threading
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from calendar_server.client import Caller, NotFoundError
from calendar_server.client import RefusedError as ClientRefusedError
from calendar_server.ical.appointment import from_ical, to_ical
from calendar_server.limits import Limits
from calendar_server.refusals import MissingError, NotDoneError, RefusedError
from calendar_server.service import Actor
from calendar_server.storage.changes import ChangeLog
from calendar_server.upkeep import Upkeep
from calendar_server.verification import violations
from calendar_server.wishes import WaitingRules, WishState
from optimizer.release import Release, Stage
from tests.calendar_server.test_service import CLERK, SITE, VIEW, book, event, holders, stored
from tests.support.calendar import CalendarServer, calendar_server, calendars
from tests.support.town import BERLIN, NOW, appointment, at, clerk, directory
from tests.support.waiting import OPEN_LIST, waiting_office, wish

if TYPE_CHECKING:
    from collections.abc import Iterator

    from calendar_server.service import Calendars
    from calendar_server.wishes import Wish
    from tests.support.clock import Clock


@pytest.fixture
def service(database_url: str, clock: Clock) -> Iterator[Calendars]:
    """An office of one clerk, who is away all December unless a test brings her back."""
    with calendars(database_url, directory(waiting_office(clerk("clerk1"))), clock) as made:
        for day in range(1, 32):
            block(made, f"block{day}@test", at(day, 6), 18 * 60)
        yield made


def block(service: Calendars, uid: str, start: datetime, minutes: int) -> None:
    service.put("clerk1/calendar", f"{uid}.ics", event(uid, start, minutes), CLERK)


def free(service: Calendars, day: int) -> None:
    """The clerk comes back on that day."""
    service.delete("clerk1/calendar", f"block{day}@test.ics", CLERK)


def fill(service: Calendars, day: int = 7, *, before: str = "a", hours: range = range(8, 16)) -> list[str]:
    """Take a whole Monday by appointments of an hour."""
    free(service, day)
    uids = [f"{before}{hour}@test" for hour in hours]
    for uid, hour in zip(uids, hours, strict=True):
        book(service, appointment(uid, at(day, hour), minutes=60))
    return uids


def cancel(service: Calendars, uid: str) -> None:
    service.delete(VIEW, f"{uid}.ics", SITE)


def add(service: Calendars, *args, **values) -> Wish:
    return service.waiting.add(wish(*args, **values), SITE)


def accept(service: Calendars, name: str) -> Wish:
    """She accepts what the calendar holds for her."""
    held = stored(service, f"{name}-booked@test")
    return service.waiting.accept(f"{name}@test", int(held.start.timestamp()) if held else 0, SITE)


def decline(service: Calendars, name: str) -> Wish:
    return service.waiting.decline(f"{name}@test", standing(service, name).offered_start or 0, SITE)


def standing(service: Calendars, name: str) -> Wish:
    return service.waiting.get(f"{name}@test")


def offered(service: Calendars, name: str) -> datetime | None:
    start = standing(service, name).offered_start
    return None if start is None else datetime.fromtimestamp(start, BERLIN)


def told(service: Calendars, name: str) -> int:
    """How often the change log tells of a wish."""
    log = ChangeLog(service.database, BERLIN).read("buergerbuero", 0)
    return sum(change.kind == "wish" and change.uid == f"{name}@test" for change in log)


def test_a_cancelled_time_is_held_for_who_waits_longest(service, clock):
    fill(service)
    add(service, "w1")
    clock.advance(minutes=1)
    add(service, "w2")
    cancel(service, "a9@test")
    found = standing(service, "w1")
    assert (found.state, offered(service, "w1")) == (WishState.OFFERED, at(7, 9))
    held = stored(service, "w1-booked@test")
    assert held.is_hold
    assert (held.start, held.end, held.name) == (at(7, 9), at(7, 9, 30), "Wartende w1")
    assert held.summary.startswith("Angeboten: ")
    assert list(violations(service)) == []
    # Half an hour is left of the hour: that's the second one's.
    assert offered(service, "w2") == at(7, 9, 30)


def test_while_it_is_offered_nobody_else_can_take_it(service):
    fill(service)
    add(service, "w1", minutes=60)
    cancel(service, "a9@test")
    refused = []

    def take(number: int) -> None:
        try:
            book(service, appointment(f"thief{number}@test", at(7, 9), minutes=60))
        except NotDoneError as error:
            refused.append(error)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 8
    assert accept(service, "w1").state is WishState.TAKEN
    assert stored(service, "w1-booked@test").start == at(7, 9)


def test_eight_who_want_the_time_while_it_is_given_back_do_not_get_it(service):
    """Cancelling and booking at once: whatever the order, the waiting person has it."""
    fill(service)
    add(service, "w1", minutes=60)
    start = threading.Barrier(9)
    got = []

    def take(number: int) -> None:
        start.wait()
        for attempt in range(4):
            try:
                book(service, appointment(f"thief{number}-{attempt}@test", at(7, 9), minutes=60))
            except NotDoneError:
                continue
            got.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    start.wait()
    cancel(service, "a9@test")
    for thread in threads:
        thread.join()
    assert got == []
    assert offered(service, "w1") == at(7, 9)


def test_accepting_makes_it_an_appointment_and_twice_is_once(service):
    fill(service)
    add(service, "w1")
    cancel(service, "a9@test")
    first = accept(service, "w1")
    assert accept(service, "w1") == first
    booked = stored(service, "w1-booked@test")
    assert not booked.is_hold
    assert (booked.sequence, booked.summary) == (0, "Meldebescheinigung · Erika Muster")
    assert holders(service, "w1-booked@test") == ["clerk1"]
    assert list(violations(service)) == []


def test_what_she_takes_while_moving_replaces_her_appointment(service):
    fill(service)
    add(service, "w1", minutes=60, replaces="a15@test")
    before = stored(service, "a15@test")
    cancel(service, "a9@test")
    first = accept(service, "w1")
    assert accept(service, "w1") == first
    moved = stored(service, "a15@test")
    assert (moved.start, moved.end, moved.sequence) == (at(7, 9), at(7, 10), before.sequence + 1)
    assert (moved.name, moved.reference, moved.email) == (before.name, before.reference, before.email)
    assert stored(service, "w1-booked@test") is None
    assert holders(service, "a15@test") == ["clerk1"]
    # Its old time is free at once.
    add(service, "w2", minutes=60, until=at(7, 23))
    assert offered(service, "w2") == at(7, 15)
    assert list(violations(service)) == []


def test_her_appointment_goes_to_whom_the_time_is_kept_with(database_url, clock):
    offices = directory(waiting_office(clerk("clerk1"), clerk("clerk2")))
    with calendars(database_url, offices, clock) as service:
        for day in range(1, 32):
            block(service, f"block{day}@test", at(day, 6), 18 * 60)
        away = event("away@test", at(7, 6), 9 * 60)
        service.put("clerk2/calendar", "away@test.ics", away, Actor("clerk2"))
        book(service, appointment("mine@test", at(7, 15), minutes=60))
        assert holders(service, "mine@test") == ["clerk2"]
        add(service, "w1", minutes=60, since=at(7, 0), until=at(7, 12), replaces="mine@test")
        free(service, 7)
        accept(service, "w1")
        assert holders(service, "mine@test") == ["clerk1"]
        assert stored(service, "mine@test").start == at(7, 8)
        assert list(violations(service)) == []


def test_an_appointment_that_staff_shortened_moves_as_it_is(service):
    fill(service)
    add(service, "w1", minutes=60, replaces="a15@test")
    where = "clerk1/calendar"
    service.put(where, "a15@test.ics", to_ical(appointment("a15@test", at(7, 15)), now=NOW), CLERK)
    cancel(service, "a9@test")
    accept(service, "w1")
    moved = stored(service, "a15@test")
    assert (moved.start, moved.end) == (at(7, 9), at(7, 9, 30))


def lengthen(service: Calendars, uid: str, start: datetime, minutes: int) -> None:
    text = to_ical(appointment(uid, start, minutes=minutes), now=NOW)
    service.put("clerk1/calendar", f"{uid}.ics", text, CLERK)


def test_an_offer_that_staff_made_too_short_ends_and_she_waits_for_one_that_is_long_enough(service):
    fill(service, hours=range(8, 15))
    book(service, appointment("mine@test", at(7, 15), minutes=30))
    add(service, "w1", minutes=30, until=at(7, 14), replaces="mine@test")
    add(service, "w2", minutes=30, until=at(7, 14))
    cancel(service, "a9@test")
    assert (offered(service, "w1"), offered(service, "w2")) == (at(7, 9), at(7, 9, 30))
    lengthen(service, "mine@test", at(7, 15), 60)
    with pytest.raises(RefusedError) as refused:
        accept(service, "w1")
    assert refused.value.rule == "offer-too-short"
    assert standing(service, "w1").state is WishState.WAITING
    assert stored(service, "w1-booked@test") is None
    assert stored(service, "mine@test").start == at(7, 15)
    # The time next to it comes free too: then she has what she wanted.
    decline(service, "w2")
    assert offered(service, "w1") == at(7, 9)
    accept(service, "w1")
    moved = stored(service, "mine@test")
    assert (moved.start, moved.end) == (at(7, 9), at(7, 10))
    assert list(violations(service)) == []


def test_who_waits_with_an_appointment_is_offered_times_for_the_length_that_it_has_now(service):
    fill(service, hours=range(8, 15))
    book(service, appointment("mine@test", at(7, 15), minutes=30))
    add(service, "w1", minutes=30, until=at(7, 14), replaces="mine@test")
    lengthen(service, "mine@test", at(7, 15), 60)
    lengthen(service, "a8@test", at(7, 8), 30)
    assert standing(service, "w1").state is WishState.WAITING
    cancel(service, "a9@test")
    assert offered(service, "w1") == at(7, 8, 30)
    held = stored(service, "w1-booked@test")
    assert held.end == at(7, 9, 30)
    wish, text = service.waiting.read("w1@test")
    wanted = from_ical(text, BERLIN)
    assert (wish.minutes, wanted.end - wanted.start) == (60, timedelta(hours=1))
    accept(service, "w1")
    assert (stored(service, "mine@test").start, stored(service, "mine@test").end) == (
        at(7, 8, 30),
        at(7, 9, 30),
    )
    assert list(violations(service)) == []


def test_an_appointment_that_is_gone_is_replaced_by_one_of_its_own(service):
    fill(service)
    add(service, "w1", minutes=60, until=at(7, 12), replaces="a15@test")
    cancel(service, "a15@test")
    cancel(service, "a9@test")
    assert standing(service, "w1").replaces == ""
    accept(service, "w1")
    assert stored(service, "w1-booked@test").start == at(7, 9)
    assert stored(service, "a15@test") is None


def test_who_waits_for_another_time_is_not_offered_the_one_she_has(database_url, clock):
    offices = directory(waiting_office(clerk("clerk1"), clerk("clerk2")))
    with calendars(database_url, offices, clock) as service:
        book(service, appointment("mine@test", at(7, 8), minutes=60))
        add(service, "w1", minutes=60, since=at(7, 0), until=at(7, 23), replaces="mine@test")
        assert offered(service, "w1") == at(7, 10)


def test_a_wish_for_another_time_ends_when_her_appointment_begins(service, clock):
    fill(service)
    add(service, "w1", minutes=60, replaces="a8@test")
    upkeep = Upkeep(service)
    clock.now = at(7, 7, 59)
    assert upkeep.tend_waiting_lists() == 0
    clock.now = at(7, 8)
    assert upkeep.tend_waiting_lists() == 1
    assert standing(service, "w1").state is WishState.OVER


def test_an_appointment_counts_once_while_its_citizen_waits_for_another_time(database_url, clock):
    offices = directory(waiting_office(clerk("clerk1")))
    citizen = Actor("site", authoritative=True, caller=Caller("192.0.2.0/24"))
    with calendars(database_url, offices, clock, limits=Limits(per_address=1)) as service:
        book(service, appointment("mine@test", at(14, 8), minutes=60, email="w1@example.org"), citizen)
        service.waiting.add(
            wish("w1", minutes=60, since=at(7, 0), until=at(14, 23), replaces="mine@test"), citizen
        )
        assert offered(service, "w1") == at(7, 8)
        accept(service, "w1")
        another = appointment("more@test", at(7, 12), email="w1@example.org")
        with pytest.raises(RefusedError) as refused:
            book(service, another, citizen)
        assert refused.value.rule == "address-limit"


def test_an_answer_to_an_earlier_offer_decides_nothing_about_the_next(service, clock):
    uids = fill(service)
    add(service, "w1", minutes=60)
    cancel(service, uids[0])
    clock.advance(hours=4, minutes=1)
    Upkeep(service).release_holds()
    cancel(service, uids[-1])
    assert offered(service, "w1") == at(7, 15)
    with pytest.raises(RefusedError) as refused:
        service.waiting.accept("w1@test", int(at(7, 8).timestamp()), SITE)
    assert refused.value.rule == "offer-over"
    service.waiting.decline("w1@test", int(at(7, 8).timestamp()), SITE)
    assert offered(service, "w1") == at(7, 15)


def test_what_she_declines_goes_to_the_next_and_never_to_her_again(service, clock):
    fill(service)
    add(service, "w1", minutes=60)
    clock.advance(minutes=1)
    add(service, "w2", minutes=60)
    cancel(service, "a9@test")
    assert decline(service, "w1").state is WishState.WAITING
    assert offered(service, "w2") == at(7, 9)
    decline(service, "w2")
    assert (offered(service, "w1"), offered(service, "w2")) == (None, None)
    book(service, appointment("public@test", at(7, 9), minutes=60))


def test_an_offer_without_an_answer_goes_to_the_next(service, clock):
    fill(service)
    add(service, "w1", minutes=60)
    clock.advance(minutes=1)
    add(service, "w2", minutes=60)
    cancel(service, "a9@test")
    clock.advance(hours=4, minutes=1)
    assert Upkeep(service).release_holds() == 1
    assert standing(service, "w1").state is WishState.WAITING
    assert offered(service, "w2") == at(7, 9)
    with pytest.raises(RefusedError) as late:
        accept(service, "w1")
    assert late.value.rule == "offer-over"


def test_who_comes_first_after_an_offer_ran_out_does_not_get_it_before_the_next_who_waits(service, clock):
    fill(service)
    add(service, "w1", minutes=60)
    clock.advance(minutes=1)
    add(service, "w2", minutes=60)
    cancel(service, "a9@test")
    clock.advance(hours=4, minutes=1)
    # Nobody has tidied up yet: this booking itself meets the offer that has run out.
    with pytest.raises(RefusedError):
        book(service, appointment("thief@test", at(7, 9), minutes=60))
    assert Upkeep(service).release_holds() == 1
    assert offered(service, "w2") == at(7, 9)


def test_accepting_at_the_last_second_counts_and_one_later_does_not(service, clock):
    for name, second, accepted in (("w1", -1, True), ("w2", 0, False)):
        uids = fill(service, 7 if accepted else 14, before=name)
        add(service, name, minutes=60)
        cancel(service, uids[0])
        clock.now = datetime.fromtimestamp(standing(service, name).offered_until + second, UTC)
        if accepted:
            assert accept(service, name).state is WishState.TAKEN
        else:
            with pytest.raises(RefusedError):
                accept(service, name)


def test_two_offers_without_an_answer_end_a_wish(service, clock):
    uids = fill(service)
    add(service, "w1", minutes=60)
    for uid in (uids[0], uids[3]):
        cancel(service, uid)
        assert standing(service, "w1").state is WishState.OFFERED
        clock.advance(hours=15)
        Upkeep(service).release_holds()
    assert standing(service, "w1").state is WishState.UNANSWERED
    cancel(service, uids[-1])
    assert stored(service, "w1-booked@test") is None


def test_leaving_gives_the_offered_time_to_the_next(service, clock):
    fill(service)
    add(service, "w1", minutes=60)
    clock.advance(minutes=1)
    add(service, "w2", minutes=60)
    cancel(service, "a9@test")
    assert service.waiting.leave("w1@test", SITE).state is WishState.LEFT
    assert offered(service, "w2") == at(7, 9)
    assert service.waiting.leave("w1@test", SITE).state is WishState.LEFT


def test_a_moved_appointment_frees_its_time_for_who_waits(service):
    uids = fill(service, hours=range(8, 15))
    add(service, "w1", minutes=60, until=at(7, 12))
    book(service, appointment(uids[1], at(7, 15), minutes=60), if_match="*")
    assert offered(service, "w1") == at(7, 9)


def test_a_shortened_meeting_and_a_clerk_who_is_back_make_room(service):
    add(service, "w1", weekdays=0b100)
    free(service, 9)
    assert offered(service, "w1") == at(9, 8)
    add(service, "w2", weekdays=0b1)
    service.put("clerk1/calendar", "block7@test.ics", event("block7@test", at(7, 6), 5 * 60), CLERK)
    assert offered(service, "w2") == at(7, 11)


def test_a_new_opening_window_is_offered_first_to_who_waits(database_url, clock):
    with calendars(database_url, directory(waiting_office(tuesday_clerk())), clock) as service:
        add(service, "w1", weekdays=0b10)
        assert offered(service, "w1") is None
        window = event("tuesday@test", at(8, 8), 120, TRANSP="TRANSPARENT")
        service.put("buergerbuero/opening", "tuesday.ics", window, Actor("lead"))
        assert offered(service, "w1") == at(8, 8)


def tuesday_clerk():
    made = clerk("clerk1")
    return replace(made, working_times=tuple(replace(each, weekday=1) for each in made.working_times[:1]))


def test_a_closure_that_is_lifted_makes_room(service):
    closure = event("zu@test", at(9, 0), 24 * 60)
    service.put("buergerbuero/opening", "zu.ics", closure, Actor("lead"))
    free(service, 9)
    add(service, "w1")
    assert offered(service, "w1") is None
    service.delete("buergerbuero/opening", "zu.ics", Actor("lead"))
    assert offered(service, "w1") == at(9, 8)


def test_a_hold_that_runs_out_makes_room(service, clock):
    fill(service, hours=range(9, 16))
    book(
        service, appointment("hold@test", at(7, 8), minutes=60, hold_until=clock.now + timedelta(minutes=10))
    )
    add(service, "w1", minutes=60)
    assert offered(service, "w1") is None
    clock.advance(minutes=11)
    Upkeep(service).release_holds()
    assert offered(service, "w1") == at(7, 8)


def test_room_that_only_a_reassignment_makes_counts(database_url, clock):
    """The one who may do passports is taken by something that the other one can do as well, once he is free."""
    passports = clerk("clerk1", "reisepass", "meldebescheinigung")
    other = clerk("clerk2", "meldebescheinigung")
    with calendars(database_url, directory(waiting_office(passports, other)), clock) as service:
        for name in ("clerk1", "clerk2"):
            for day in (2, 9, 14, 16, 21, 23, 28, 30):
                uid = f"{name}-{day}@test"
                service.put(f"{name}/calendar", f"{uid}.ics", event(uid, at(day, 6), 18 * 60), Actor(name))
            for month, day in ((1, 4), (1, 6)):
                uid = f"{name}-{month}-{day}@test"
                whole = event(uid, at(day, 6, month=1, year=2027), 18 * 60)
                service.put(f"{name}/calendar", f"{uid}.ics", whole, Actor(name))
        for hour in range(8, 16):
            for number in (1, 2):
                book(service, appointment(f"a{hour}-{number}@test", at(7, hour), minutes=60))
        add(service, "w1", "reisepass", minutes=60)
        assert offered(service, "w1") is None
        (freed,) = [uid for uid in ("a9-1@test", "a9-2@test") if holders(service, uid) == ["clerk2"]]
        (kept,) = {"a9-1@test", "a9-2@test"} - {freed}
        cancel(service, freed)
        assert offered(service, "w1") == at(7, 9)
        assert (holders(service, "w1-booked@test"), holders(service, kept)) == (["clerk1"], ["clerk2"])


def test_only_times_that_she_wants_are_offered(service):
    uids = fill(service)
    add(service, "mornings", minutes=60, hours=(0, 12))
    add(service, "wednesdays", minutes=60, weekdays=0b100)
    add(service, "soon", minutes=60, until=at(6, 0))
    cancel(service, uids[-1])
    assert [standing(service, name).state for name in ("mornings", "wednesdays", "soon")] == [
        WishState.WAITING
    ] * 3
    cancel(service, uids[0])
    assert offered(service, "mornings") == at(7, 8)


def test_what_is_too_near_goes_to_the_public_at_once(service, clock):
    uids = fill(service)
    add(service, "w1", minutes=60)
    clock.now = at(7, 7)
    # The notice of an hour leaves nobody half an hour to answer.
    cancel(service, uids[0])
    assert offered(service, "w1") is None
    # For three o'clock there's time.
    cancel(service, uids[-1])
    assert offered(service, "w1") == at(7, 15)
    assert standing(service, "w1").offered_until == int(at(7, 10, 30).timestamp())


def test_what_is_given_back_at_night_is_offered_until_the_morning(service, clock):
    uids = fill(service)
    add(service, "w1", minutes=60)
    clock.now = at(3, 23)
    cancel(service, uids[0])
    assert standing(service, "w1").offered_until == int(at(4, 11).timestamp())


def test_who_comes_to_the_list_while_something_is_free_is_offered_it_at_once(service):
    free(service, 9)
    assert add(service, "w1").state is WishState.OFFERED
    assert offered(service, "w1") == at(9, 8)


def test_a_clerk_who_takes_the_held_time_back_leaves_her_waiting(service):
    fill(service)
    add(service, "w1", minutes=60)
    cancel(service, "a9@test")
    service.delete("clerk1/calendar", "w1-booked@test.ics", CLERK)
    found = standing(service, "w1")
    assert (found.state, found.unanswered) == (WishState.WAITING, 0)


def test_a_clerk_may_move_the_held_time_and_the_offer_lasts_as_long(service):
    uids = fill(service)
    add(service, "w1", minutes=60)
    cancel(service, uids[1])
    until = standing(service, "w1").offered_until
    cancel(service, uids[2])
    held = replace(stored(service, "w1-booked@test").at(at(7, 10)), hold_until=None)
    service.put("clerk1/calendar", "w1-booked@test.ics", text_of(held), CLERK)
    assert stored(service, "w1-booked@test").hold_until == datetime.fromtimestamp(until, UTC)
    accept(service, "w1")
    assert stored(service, "w1-booked@test").start == at(7, 10)


def text_of(value) -> str:
    return to_ical(value, now=NOW)


def test_the_change_log_tells_of_each_state_once(service, clock):
    fill(service)
    add(service, "w1", minutes=60)
    assert told(service, "w1") == 1
    cancel(service, "a9@test")
    assert told(service, "w1") == 2
    accept(service, "w1")
    accept(service, "w1")
    assert told(service, "w1") == 3


def test_a_repeated_wish_is_one_wish(service):
    assert add(service, "w1") == add(service, "w1")
    assert told(service, "w1") == 1
    with pytest.raises(RefusedError) as refused:
        add(service, "w1", "reisepass")
    assert refused.value.rule == "already-booked"


def test_an_address_waits_at_most_three_times(service):
    for number in range(3):
        add(service, f"w{number}", email="Erika@example.org")
    with pytest.raises(RefusedError) as refused:
        add(service, "w3", email="erika@EXAMPLE.org")
    assert refused.value.rule == "too-many-wishes"
    service.waiting.leave("w0@test", SITE)
    assert add(service, "w3", email="erika@example.org").state is WishState.WAITING


@pytest.mark.parametrize(
    ("rules", "rule"),
    [(WaitingRules(enabled=True, most=1), "waiting-list-full"), (WaitingRules(), "waiting-list-closed")],
)
def test_a_full_list_and_a_closed_one_take_nobody(database_url, clock, rules, rule):
    with calendars(database_url, directory(waiting_office(waiting=rules)), clock) as service:
        if rules.enabled:
            add(service, "w1", weekdays=0b1000000)
        with pytest.raises(RefusedError) as refused:
            add(service, "w2", weekdays=0b1000000)
        assert refused.value.rule == rule


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"first": 9, "last": 5}, "bad-wish"),
        ({"last": int(at(1, 0).timestamp())}, "bad-wish"),
        ({"last": int(at(1, 0, year=2030).timestamp())}, "bad-wish"),
        ({"weekdays": 0}, "bad-wish"),
        ({"weekdays": 128}, "bad-wish"),
        ({"from_minute": 600, "until_minute": 600}, "bad-wish"),
        ({"until_minute": 1441}, "bad-wish"),
        ({"id": ""}, "bad-wish"),
        ({"replaces": "nothing@test"}, "bad-wish"),
        ({"text": wish(email=" ").text}, "bad-wish"),
        ({"text": wish("w1", "tauchschein").text}, "unknown-service"),
        ({"text": "BEGIN:VCALENDAR"}, "valid-calendar-data"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_kept(service, values, rule):
    with pytest.raises(RefusedError) as refused:
        service.waiting.add(replace(wish(), **values), SITE)
    assert refused.value.rule == rule
    with pytest.raises(MissingError):
        standing(service, "w1")


def test_a_wish_ends_once_no_time_can_come_any_more_and_is_deleted_a_week_later(service, clock):
    add(service, "w1", until=at(7, 12))
    upkeep = Upkeep(service)
    clock.now = at(7, 10, 59)
    assert upkeep.tend_waiting_lists() == 0
    clock.now = at(7, 11, 1)
    assert upkeep.tend_waiting_lists() == 1
    assert (standing(service, "w1").state, told(service, "w1")) == (WishState.OVER, 2)
    assert upkeep.tend_waiting_lists() == 0
    clock.now = at(14, 11)
    assert upkeep.erase() == 0
    clock.now = at(14, 11, 2)
    assert upkeep.erase() == 1
    with pytest.raises(MissingError):
        standing(service, "w1")


def test_wishes_of_an_office_that_is_gone_are_deleted_too(database_url, clock):
    with calendars(database_url, directory(waiting_office()), clock) as service:
        add(service, "w1", weekdays=0b1000000, until=at(20, 0))
    clock.now = at(28, 0)
    with calendars(database_url, directory(waiting_office(name="other")), clock) as service:
        assert Upkeep(service).erase() == 1


def test_a_day_that_comes_into_reach_is_offered(service, clock):
    # 40 days are in reach on 1 December; 11 January is a Monday and has no block.
    add(service, "w1", since=at(11, 0, month=1, year=2027), until=at(11, 23, month=1, year=2027))
    assert offered(service, "w1") is None
    clock.advance(days=1)
    assert Upkeep(service).tend_waiting_lists() == 1
    assert offered(service, "w1") == at(11, 8, month=1, year=2027)


def test_what_is_not_released_to_the_public_yet_is_not_offered_but_what_somebody_gives_back_is(
    database_url, clock
):
    rule = Release(horizon_days=40, stages=(Stage(40, 50), Stage(1, 100)))
    town = directory(waiting_office(clerk("clerk1"), release=rule))
    with calendars(database_url, town, clock) as service:
        for hour in range(8, 12):
            book(service, appointment(f"a{hour}@test", at(7, hour), minutes=60))
        add(service, "w1", minutes=60, since=at(7, 0), until=at(7, 23))
        assert offered(service, "w1") is None
        cancel(service, "a9@test")
        assert offered(service, "w1") == at(7, 9)


def test_the_pause_of_what_is_given_back_does_not_keep_it_from_who_waits(database_url, clock):
    rule = Release(horizon_days=40, return_after=60, return_until=60)
    town = directory(waiting_office(clerk("clerk1"), release=rule))
    with calendars(database_url, town, clock) as service:
        for hour in range(8, 16):
            book(service, appointment(f"a{hour}@test", at(7, hour), minutes=60))
        add(service, "w1", minutes=60, since=at(7, 0), until=at(7, 23))
        cancel(service, "a9@test")
        assert offered(service, "w1") == at(7, 9)


def test_a_pause_that_hides_a_time_hides_it_from_a_new_wish_too(database_url, clock):
    """Else somebody could give a time back and be the only one to wait for it."""
    rule = Release(horizon_days=40, return_after=60, return_until=60)
    town = directory(waiting_office(clerk("clerk1"), release=rule))
    with calendars(database_url, town, clock) as service:
        for hour in range(8, 16):
            book(service, appointment(f"a{hour}@test", at(7, hour), minutes=60))
        cancel(service, "a9@test")
        add(service, "w1", minutes=60, since=at(7, 0), until=at(7, 23))
        assert offered(service, "w1") is None
        clock.advance(minutes=61)
        Upkeep(service).end_returns()
        assert offered(service, "w1") == at(7, 9)


def test_counts_tell_how_many_and_nothing_of_who(service):
    add(service, "w1", weekdays=0b1000000)
    add(service, "w2", "reisepass", "meldebescheinigung", weekdays=0b1000000)
    found = service.waiting.counts("buergerbuero")
    assert (found.waiting, found.offered) == (2, 0)
    assert found.services == {"meldebescheinigung": 2, "reisepass": 1}


def test_a_closed_list_offers_nothing(database_url, clock):
    with calendars(database_url, directory(waiting_office(clerk("clerk1"))), clock) as service:
        add(service, "w1", weekdays=0b10)
    with calendars(
        database_url,
        directory(waiting_office(clerk("clerk1"), waiting=replace(OPEN_LIST, enabled=False))),
        clock,
    ) as service:
        window = event("tuesday@test", at(8, 8), 120, TRANSP="TRANSPARENT")
        service.put("buergerbuero/opening", "tuesday.ics", window, Actor("lead"))
        assert offered(service, "w1") is None


def test_many_who_wait_get_what_a_whole_day_has(service, clock):
    names = [f"w{number:02}" for number in range(30)]
    for name in names:
        add(service, name, minutes=30)
        clock.advance(seconds=1)
    free(service, 7)
    starts = [offered(service, name) for name in names]
    # Sixteen half hours; the first come first.
    assert starts[:16] == [at(7, 8 + number // 2, 30 * (number % 2)) for number in range(16)]
    assert starts[16:] == [None] * 14


# Through the desk --------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(database_url: str, clock: Clock) -> Iterator[CalendarServer]:
    with calendar_server(database_url, directory(waiting_office(clerk("clerk1"))), clock=clock) as made:
        yield made


def test_the_site_waits_accepts_and_leaves_by_unguessable_ids(server):
    site = server.client()
    made = site.add_wish(asdict(wish(weekdays=0b10)))
    assert (made["state"], made["offered_start"]) == ("waiting", None)
    with pytest.raises(NotFoundError):
        site.wish("w2@test")
    with pytest.raises(ClientRefusedError) as refused:
        site.decide_wish("w1@test", "accept")
    assert refused.value.rule == "offer-over"
    assert site.decide_wish("w1@test", "leave")["state"] == "left"
    offered = site.add_wish(asdict(wish("w2")))
    assert (offered["state"], offered["offered_start"]) == ("offered", int(at(2, 8).timestamp()))
    assert site.decide_wish("w2@test", "accept", offered["offered_start"])["state"] == "taken"
    assert site.read("buergerbuero", "w2-booked@test", BERLIN).appointment.start == at(2, 8)


@pytest.mark.parametrize("account", ["clerk1", "lead", "admin", "worker"])
def test_nobody_but_the_site_reads_a_wish(server, account):
    server.client().add_wish(asdict(wish(weekdays=0b10)))
    for ask in (
        lambda: server.client(account).wish("w1@test"),
        lambda: server.client(account).decide_wish("w1@test", "leave"),
        lambda: server.client(account).add_wish(asdict(wish("w2"))),
    ):
        with pytest.raises(ClientRefusedError):
            ask()


def test_who_works_there_sees_how_many_wait_and_the_site_does_not(server):
    server.client().add_wish(asdict(wish(weekdays=0b10)))
    for account in ("clerk1", "lead", "admin"):
        assert server.client(account).waiting("buergerbuero")["waiting"] == 1
    with pytest.raises(ClientRefusedError):
        server.client("site").waiting("buergerbuero")


@pytest.mark.parametrize(
    "values",
    [
        {"first": "x"},
        {"first": True},
        {"last": -1},
        {"weekdays": 1.5},
        {"id": None},
        {"text": 7},
        {"id": "a\0"},
    ],
)
def test_a_wish_of_the_wrong_shape_is_refused(server, values):
    with pytest.raises(ClientRefusedError) as refused:
        server.client().add_wish(asdict(wish()) | values)
    assert refused.value.rule == "bad-request"


def test_a_wish_counts_against_its_network(database_url, clock):
    with calendars(
        database_url, directory(waiting_office()), clock, limits=Limits(per_network_hour=2)
    ) as service:
        caller = replace(SITE, caller=Caller("192.0.2.0/24"))
        for number in range(2):
            service.waiting.add(wish(f"w{number}", weekdays=0b1000000), caller)
        with pytest.raises(RefusedError) as refused:
            service.waiting.add(wish("w2", weekdays=0b1000000), caller)
        assert refused.value.rule == "network-limit"
        assert service.waiting.add(wish("w2", weekdays=0b1000000), SITE).state is WishState.WAITING


def test_wishes_of_one_network_are_offered_no_more_than_its_share_of_a_day(database_url, clock):
    offices = directory(waiting_office(clerk("clerk1")))
    with calendars(database_url, offices, clock, limits=Limits(network_percent=20)) as service:
        for hour in range(8, 16):
            book(service, appointment(f"a{hour}@test", at(7, hour), minutes=60))
        for name, network in (("bot1", "192.0.2.0/24"), ("bot2", "192.0.2.0/24"), ("w1", "198.51.100.0/24")):
            caller = replace(SITE, caller=Caller(network))
            service.waiting.add(wish(name, minutes=60, since=at(7, 0), until=at(7, 23)), caller)
            clock.advance(minutes=1)
        for hour in (9, 13):
            cancel(service, f"a{hour}@test")
        # Two hours of eight would be a quarter.
        assert [offered(service, name) for name in ("bot1", "bot2", "w1")] == [at(7, 9), None, at(7, 13)]
