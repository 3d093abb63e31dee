"""The checker on histories made by hand: each promise kept, and broken in the smallest way."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from calendar_server.storage.changes import Change
from tests.proofs.checker import Checker
from tests.proofs.history import Kind, Operation, Placed, Result

SKILLS = {"anna": frozenset({"easy", "hard"}), "bert": frozenset({"easy"})}
SLOT, NEXT = (1000, 2000), (2000, 3000)


def asked(kind, uid, when, result=Result.DONE, period=SLOT, **fields):
    """An operation that took from `when` to a tenth of a second later."""
    answered = math.inf if result is Result.UNKNOWN else when + 0.1
    start, end = period
    service = (
        "" if kind in {Kind.CANCEL, Kind.TRANSFER, Kind.READ, Kind.LIST} else fields.pop("service", "easy")
    )
    return Operation(0, kind, uid, when, answered, result, start, end, service, **fields)


def logged(seq, uid, clerk, action="stored", kind="appointment", at=0):
    return Change(seq, "o", uid, kind, action, clerk, "site", datetime.fromtimestamp(at, UTC))


def placed(uid, clerk, period=SLOT, kind="appointment"):
    return Placed(uid, clerk, *period, kind)


def rules(operations, changes, final):
    return {violation.rule for violation in Checker(operations, changes, final, SKILLS, 0.0).check()}


def seen(*uids, period=SLOT):
    return tuple((uid, *period) for uid in uids)


TWO = [asked(Kind.BOOK, "a", 1), asked(Kind.BOOK, "b", 2)]
TWO_LOGGED = [logged(1, "a", "anna"), logged(2, "b", "bert")]
TWO_PLACED = [placed("a", "anna"), placed("b", "bert")]
FULL = asked(Kind.BOOK, "c", 3, Result.REFUSED, rule="no-free-clerk")


def test_two_clerks_two_bookings():
    assert rules(TWO, TWO_LOGGED, TWO_PLACED) == set()


def test_one_clerk_two_bookings_at_once():
    assert rules(
        TWO, [logged(1, "a", "anna"), logged(2, "b", "anna")], [placed("a", "anna"), placed("b", "anna")]
    ) == {"overlap"}


def test_an_overlap_that_was_gone_at_the_end():
    operations = [*TWO, asked(Kind.CANCEL, "b", 3)]
    changes = [logged(1, "a", "anna"), logged(2, "b", "anna"), logged(3, "b", "anna", "deleted")]
    assert rules(operations, changes, [placed("a", "anna")]) == {"overlap"}


def test_an_overlap_that_only_a_client_saw():
    looked = asked(Kind.LIST, "", 3, clerk="anna", seen=seen("a", "b"))
    assert rules([*TWO, looked], TWO_LOGGED, TWO_PLACED) == {"overlap", "read"}


def test_bookings_one_after_another_do_not_overlap():
    operations = [TWO[0], asked(Kind.BOOK, "b", 2, period=NEXT)]
    changes = [logged(1, "a", "anna"), logged(2, "b", "anna")]
    assert rules(operations, changes, [placed("a", "anna"), placed("b", "anna", NEXT)]) == set()


def test_acknowledged_and_not_in_the_log():
    assert rules(TWO, TWO_LOGGED[:1], TWO_PLACED[:1]) == {"lost"}


def test_acknowledged_logged_and_not_there_at_the_end():
    assert rules(TWO, TWO_LOGGED, TWO_PLACED[:1]) == {"lost"}


def test_moved_in_the_log_and_not_at_the_end():
    operations = [TWO[0], asked(Kind.SHIFT, "a", 2, period=NEXT)]
    assert rules(operations, [logged(1, "a", "anna"), logged(2, "a", "anna")], [placed("a", "anna")]) == {
        "lost",
        "phantom",
    }


@pytest.mark.parametrize("happened", [True, False])
def test_what_went_unanswered_may_have_happened_or_not(happened):
    operations = [TWO[0], asked(Kind.BOOK, "b", 2, Result.UNKNOWN)]
    count = 2 if happened else 1
    assert rules(operations, TWO_LOGGED[:count], TWO_PLACED[:count]) == set()


def test_what_went_unanswered_may_happen_once_only():
    operations = [asked(Kind.BOOK, "a", 1), asked(Kind.SHIFT, "a", 2, Result.UNKNOWN, period=NEXT)]
    changes = [logged(1, "a", "anna"), logged(2, "a", "anna"), logged(3, "a", "anna")]
    assert rules(operations, changes, [placed("a", "anna", NEXT)]) == {"phantom"}


def test_nobody_asked_for_it():
    assert rules(TWO[:1], TWO_LOGGED, TWO_PLACED) == {"phantom"}


def test_it_was_refused_and_happened():
    refused = asked(Kind.BOOK, "b", 2, Result.REFUSED, rule="no-free-clerk")
    assert rules([TWO[0], refused], TWO_LOGGED, TWO_PLACED) >= {"phantom"}


def test_refused_because_it_was_full():
    assert rules([*TWO, FULL], TWO_LOGGED, TWO_PLACED) == set()


def test_refused_though_there_was_room():
    assert rules([TWO[0], FULL], TWO_LOGGED[:1], TWO_PLACED[:1]) == {"refused"}


def test_refused_though_somebody_could_have_changed_clerks():
    hard = asked(Kind.BOOK, "c", 3, Result.REFUSED, service="hard", rule="no-free-clerk")
    assert rules([TWO[0], hard], TWO_LOGGED[:1], TWO_PLACED[:1]) == {"refused"}


def test_refused_because_nobody_else_can_do_it():
    first = asked(Kind.BOOK, "a", 1, service="hard")
    second = asked(Kind.BOOK, "c", 3, Result.REFUSED, service="hard", rule="no-free-clerk")
    assert rules([first, second], TWO_LOGGED[:1], TWO_PLACED[:1]) == set()


def test_refused_while_a_place_was_being_given_back():
    cancelled = replace(asked(Kind.CANCEL, "a", 2.9), answered=3.05)
    changes = [*TWO_LOGGED, logged(3, "a", "anna", "deleted")]
    assert rules([*TWO, cancelled, FULL], changes, TWO_PLACED[1:]) == set()


def test_refused_after_a_place_had_been_given_back():
    changes = [*TWO_LOGGED, logged(3, "a", "anna", "deleted")]
    assert rules([*TWO, asked(Kind.CANCEL, "a", 2.5), FULL], changes, TWO_PLACED[1:]) == {"refused"}


def test_refused_before_the_place_was_taken():
    refused = asked(Kind.BOOK, "c", 1.5, Result.REFUSED, rule="no-free-clerk")
    assert rules([*TWO, refused], TWO_LOGGED, TWO_PLACED) == {"refused"}


def test_an_absent_clerk_is_a_reason_to_refuse():
    away = asked(Kind.BLOCK, "m", 2, clerk="bert")
    changes = [TWO_LOGGED[0], logged(2, "m", "bert", kind="event")]
    final = [TWO_PLACED[0], placed("m", "bert", kind="event")]
    assert rules([TWO[0], away, FULL], changes, final) == set()


def test_the_dispatch_chose_somebody_who_is_away():
    away = asked(Kind.BLOCK, "m", 0.5, clerk="anna")
    changes = [logged(1, "m", "anna", kind="event"), logged(2, "a", "anna")]
    final = [placed("m", "anna", kind="event"), TWO_PLACED[0]]
    assert rules([away, TWO[0]], changes, final) == {"misplaced"}


def test_the_dispatch_chose_somebody_who_cannot_do_it():
    hard = asked(Kind.BOOK, "b", 1, service="hard")
    assert rules([hard], TWO_LOGGED[1:], TWO_PLACED[1:]) == {"misplaced"}


def test_a_reassignment_comes_with_somebody_elses_booking():
    changes = [logged(1, "a", "anna"), logged(2, "a", "bert"), logged(2, "b", "anna")]
    assert rules(TWO, changes, [placed("a", "bert"), placed("b", "anna")]) == set()


def test_a_write_before_one_that_was_answered_when_it_was_asked_for():
    changes = [logged(1, "b", "bert"), logged(2, "a", "anna")]
    assert rules(TWO, changes, TWO_PLACED) == {"order"}


def test_writes_that_were_under_way_together_come_in_any_order():
    operations = [replace(TWO[0], answered=2.5), TWO[1]]
    assert rules(operations, [logged(1, "b", "bert"), logged(2, "a", "anna")], TWO_PLACED) == set()


def test_a_client_reads_what_it_wrote():
    read = asked(Kind.READ, "a", 3, seen=seen("a"))
    assert rules([*TWO, read], TWO_LOGGED, TWO_PLACED) == set()
    assert rules([*TWO, replace(read, seen=())], TWO_LOGGED, TWO_PLACED) == {"read"}
    assert rules([*TWO, replace(read, seen=seen("a", period=NEXT))], TWO_LOGGED, TWO_PLACED) == {"read"}


def test_a_list_is_what_lay_there_at_one_moment():
    looked = asked(Kind.LIST, "", 3, clerk="anna", seen=seen("a"))
    assert rules([*TWO, looked], TWO_LOGGED, TWO_PLACED) == set()
    assert rules([*TWO, replace(looked, seen=())], TWO_LOGGED, TWO_PLACED) == {"read"}


def held(until):
    return asked(Kind.HOLD, "a", 1, hold_until=until)


def test_a_hold_is_released_when_its_time_is_over():
    changes = [logged(1, "a", "anna", kind="hold"), logged(2, "a", "anna", "deleted", "hold", at=5)]
    assert rules([held(5)], changes, []) == set()
    assert rules([held(6)], changes, []) == {"lost"}


def test_a_hold_whose_time_is_over_is_no_reason_to_refuse():
    operations = [held(5), TWO[1], replace(FULL, invoked=10, answered=10.1)]
    changes = [logged(1, "a", "anna", kind="hold"), TWO_LOGGED[1]]
    assert rules(operations, changes, TWO_PLACED) == {"refused"}
    assert rules([held(20), *operations[1:]], changes, TWO_PLACED) == set()


@pytest.mark.parametrize("result", [Result.MISSING, Result.STALE])
def test_not_found_though_it_was_there(result):
    moved = asked(Kind.SHIFT, "a", 3, result, period=NEXT)
    assert rules([*TWO, moved], TWO_LOGGED, TWO_PLACED) == {"refused"}


def test_not_found_with_a_clerk_who_does_not_have_it():
    moved = asked(Kind.TRANSFER, "a", 3, Result.MISSING, origin="bert", clerk="anna")
    assert rules([*TWO, moved], TWO_LOGGED, TWO_PLACED) == set()


def test_time_taken_is_about_that_clerk():
    refused = asked(Kind.BOOK, "c", 3, Result.REFUSED, clerk="anna", rule="time-taken")
    assert rules([*TWO, refused], TWO_LOGGED, TWO_PLACED) == set()
    assert rules([TWO[1], refused], TWO_LOGGED[1:], TWO_PLACED[1:]) == {"refused"}


def test_an_internal_error_is_never_right():
    failed = asked(Kind.BOOK, "c", 3, Result.UNKNOWN, rule="500")
    assert rules([*TWO, failed], TWO_LOGGED, TWO_PLACED) == {"error"}
    assert rules([*TWO, replace(failed, rule="503")], TWO_LOGGED, TWO_PLACED) == set()
