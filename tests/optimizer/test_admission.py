import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import admission, matchings
from optimizer.admission import LENGTHS, PLACEMENTS, Day, admit, check_placement, starts
from optimizer.bits import runs, span
from optimizer.instance import (
    Booked,
    ClerkDay,
    Obstacle,
    OfficeDay,
    Placement,
    Reassignment,
    Refusal,
    Request,
)
from tests.optimizer.days import (
    bits,
    booked,
    can_be_rearranged,
    clerk,
    crowded_day,
    crowded_days,
    fewest_reassigned,
    needs,
    office_days,
    orderly_days,
    small_days,
)

FULL = bits("######")


def wish(start, length, services="a", window=FULL):
    return Request(start, length, frozenset(services), window)


LONG = 3000
"""So many placements let the search for the fewest reassignments end on small days."""


@settings(max_examples=400, deadline=None)
@given(small_days, st.data())
def test_admission_finds_a_placement_exactly_when_there_is_one_with_the_fewest_changes(day, data):
    start = data.draw(st.integers(0, 6))
    length = data.draw(st.integers(1, 4))
    services, window = data.draw(needs), data.draw(st.integers(0, 63))
    best = fewest_reassigned(day, start, length, services, window)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optimizer.admission.PLACEMENTS", LONG)
        answer = admit(day, Request(start, length, services, window))
    if best is None:
        assert isinstance(answer, Refusal)
        assert answer.proven
    else:
        assert isinstance(answer, Placement)
        assert len(answer.reassigned) == best
        assert check_placement(day, Request(start, length, services, window), answer) == []


@pytest.mark.parametrize("placements", [1, PLACEMENTS])
@settings(max_examples=300, deadline=None)
@given(
    small_days,
    st.integers(0, 5),
    st.integers(1, 4),
    needs,
)
def test_a_placement_is_found_where_the_search_for_the_fewest_ends(placements, day, start, length, services):
    best = fewest_reassigned(day, start, length, services, 63)
    request = Request(start, length, services, 63)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optimizer.admission.PLACEMENTS", placements)
        answer = admit(day, request)
    if best is None:
        assert isinstance(answer, Refusal)
        assert answer.proven
    else:
        assert isinstance(answer, Placement)
        assert check_placement(day, request, answer) == []


@pytest.mark.parametrize("placements", [1, PLACEMENTS])
@settings(max_examples=150, deadline=None)
@given(
    st.one_of(office_days(), orderly_days(grains=6)),
    st.lists(st.tuples(st.integers(1, 4), needs, st.integers(0, 127)), min_size=2, max_size=5),
)
def test_what_was_found_for_one_wish_spoils_no_other(placements, day, wishes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optimizer.admission.PLACEMENTS", placements)
        asked_in_turn = Day(day)
        for length, services, window in wishes:
            accepted = sum(
                1 << start
                for start in range(day.grains)
                if isinstance(admit(day, Request(start, length, services, window)), Placement)
            )
            assert asked_in_turn.starts(length, services, window, step=1) == accepted


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(office_days(), orderly_days(grains=6)),
    st.integers(0, 5),
    st.integers(1, 4),
    needs,
    st.integers(1, 3),
)
def test_a_limit_of_the_reassignments_is_kept_and_used(day, start, length, services, depth):
    best = fewest_reassigned(day, start, length, services, 63)
    answer = admit(day, Request(start, length, services, 63), depth=depth)
    assert isinstance(answer, Placement) == (best is not None and best <= depth)
    if isinstance(answer, Placement):
        assert len(answer.reassigned) <= depth
    elif best is not None:
        assert not answer.proven


@given(st.integers(0, 2**40))
def test_room_counts_the_runs_of_all_lengths(vacant):
    assert admission._room(vacant) == sum(runs(vacant, length).bit_count() for length in LENGTHS)


@settings(max_examples=60, deadline=None)
@given(crowded_days, st.lists(st.tuples(st.integers(1, 5), st.sampled_from("abcd")), min_size=1, max_size=3))
def test_every_start_is_offered_that_some_arrangement_has_room_for(day, wishes):
    prepared = Day(day)
    full = 2**day.grains - 1
    for length, service in wishes:
        services = frozenset(service)
        possible = sum(
            1 << start
            for start in range(day.grains - length + 1)
            if can_be_rearranged(day, start, length, services)
        )
        assert prepared.starts(length, services, full, step=1) == possible
        for start in range(day.grains - length + 1):
            request = Request(start, length, services, full)
            answer = prepared.admit(request)
            assert isinstance(answer, Placement) == bool(possible >> start & 1)
            if isinstance(answer, Placement):
                assert check_placement(day, request, answer) == []
            else:
                assert answer.proven


@settings(max_examples=150, deadline=None)
@given(orderly_days(), st.integers(0, 7), st.integers(1, 5), needs)
def test_admission_is_exact_on_days_with_long_chains(day, start, length, services):
    best = fewest_reassigned(day, start, length, services, 255)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optimizer.admission.PLACEMENTS", LONG)
        answer = admit(day, Request(start, length, services, 255))
    assert (best is None) == isinstance(answer, Refusal)
    if isinstance(answer, Placement):
        assert len(answer.reassigned) == best


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(office_days(), orderly_days(grains=6)),
    st.integers(1, 7),
    needs,
    st.integers(0, 127),
    st.tuples(st.integers(1, 4), st.integers(0, 3), st.sampled_from([0, 1, 12])),
)
def test_what_is_offered_is_what_admission_accepts(day, length, services, window, how):
    step, offset, depth = how
    accepted = sum(
        1 << start
        for start in range(day.grains)
        if (start - offset) % step == 0
        and isinstance(admit(day, Request(start, length, services, window), depth=depth), Placement)
    )
    assert starts(day, length, services, window, step=step, offset=offset, depth=depth) == accepted
    if depth == 0:
        assert starts(day, length, services, window, step=step, offset=offset, elastic=False) == accepted


def test_two_on_top_of_each_other_cant_both_go_to_the_same_clerk():
    day = OfficeDay(
        6,
        (clerk("one", "######", "ab"), clerk("two", "######")),
        (booked("x", "one", 0, 3), booked("y", "one", 1, 3)),
    )
    assert isinstance(admit(day, wish(1, 2, "b")), Refusal)
    assert starts(day, 2, frozenset("b"), FULL, step=1) == bits("...##")


@settings(max_examples=200, deadline=None)
@given(orderly_days(), st.integers(0, 7), st.integers(1, 4), needs)
def test_reassignments_can_be_applied_one_after_another_unless_said_otherwise(day, start, length, services):
    answer = admit(day, Request(start, length, services, 255))
    if not isinstance(answer, Placement) or answer.atomic:
        return
    taken = {entry.clerk: 0 for entry in day.clerks}
    entries = {entry.uid: entry for entry in day.booked}
    for entry in day.booked:
        taken[entry.clerk] |= entry.mask
    for move in answer.reassigned:
        mask = entries[move.uid].mask
        assert not taken[move.to_clerk] & mask
        taken[move.to_clerk] |= mask
        taken[move.from_clerk] &= ~mask


@settings(max_examples=60, deadline=None)
@given(
    st.permutations([frozenset("ab"), frozenset("bc"), frozenset("ca"), frozenset("abc"), frozenset("a")]),
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 4), st.sampled_from("abc").map(frozenset)),
        min_size=12,
        max_size=20,
    ),
    st.randoms(use_true_random=False),
)
def test_who_takes_what_never_decides_whether_a_later_request_finds_a_place(skills, requests, chance):
    clerks = tuple(ClerkDay(f"c{number}", each_skills, 255) for number, each_skills in enumerate(skills))
    days = [OfficeDay(8, clerks, ()), OfficeDay(8, clerks, ())]
    for number, (start, length, services) in enumerate(requests):
        request = Request(start, min(length, 8 - start), services, 255)
        answers = [admit(day, request) for day in days]
        assert isinstance(answers[0], Placement) == isinstance(answers[1], Placement)
        if isinstance(answers[0], Refusal):
            continue
        if not answers[1].reassigned:
            # On the second day any clerk who is free takes it.
            free = [
                entry.clerk
                for entry in clerks
                if services <= entry.services
                and not any(b.clerk == entry.clerk and b.mask & request.mask for b in days[1].booked)
            ]
            answers[1] = Placement(chance.choice(free))
        days = [
            booked_as(day, request, answer, f"u{number}") for day, answer in zip(days, answers, strict=True)
        ]


def booked_as(day, request, placement, uid):
    to = {move.uid: move.to_clerk for move in placement.reassigned}
    entries = [
        Booked(e.uid, to.get(e.uid, e.clerk), e.start, e.length, e.services, e.pinned) for e in day.booked
    ]
    new = Booked(uid, placement.clerk, request.start, request.length, request.services)
    return OfficeDay(day.grains, day.clerks, (*entries, new))


def test_the_clerk_who_can_do_least_else_takes_it():
    day = OfficeDay(6, (clerk("all", "######", "ab"), clerk("one", "######", "a")), ())
    assert admit(day, wish(0, 2)) == Placement("one")


def test_a_gap_that_fits_is_filled_before_a_long_free_time_is_cut():
    day = OfficeDay(6, (clerk("open", "######"), clerk("tight", "######")), (booked("x", "tight", 2, 4),))
    assert admit(day, wish(0, 2)) == Placement("tight")


def test_one_request_moves_two_short_appointments_at_once():
    day = OfficeDay(
        6,
        (clerk("one", "######", "a"), clerk("two", "######", "b"), clerk("three", "######", "b")),
        (
            booked("x", "one", 0, 3, ""),
            booked("y", "one", 3, 3, ""),
            booked("p", "two", 3, 3, "b"),
            booked("q", "three", 0, 3, "b"),
        ),
    )
    answer = admit(day, wish(0, 6))
    assert answer == Placement("one", (Reassignment("x", "one", "two"), Reassignment("y", "one", "three")))
    assert admit(day, wish(0, 6), depth=1) == Refusal(
        "no-free-clerk",
        (
            Obstacle("one", "occupied", ("x", "y")),
            Obstacle("two", "not-eligible"),
            Obstacle("three", "not-eligible"),
        ),
        proven=False,
    )


def test_a_chain_goes_over_several_clerks_last_link_first():
    day = OfficeDay(
        6,
        (clerk("one", "###", "ac"), clerk("two", "###", "ab"), clerk("three", "###", "b")),
        (booked("x", "one", 0, 3, "a"), booked("y", "two", 0, 3, "b")),
    )
    answer = admit(day, wish(0, 3, "c"))
    assert answer == Placement("one", (Reassignment("y", "two", "three"), Reassignment("x", "one", "two")))


def test_a_ring_of_changes_is_marked_as_atomic():
    day = OfficeDay(
        6,
        (clerk("one", "######", "ab"), clerk("two", "######", "b")),
        (booked("x", "one", 0, 6, "b"), booked("y", "two", 3, 3, "b")),
    )
    answer = admit(day, wish(0, 3))
    assert isinstance(answer, Placement)
    assert answer.atomic
    assert {move.uid for move in answer.reassigned} == {"x", "y"}


def test_the_request_may_get_room_from_a_ring_beside_the_way_to_a_vacant_clerk():
    # At grain 3 there is no way from two to a vacant clerk: y comes to two, whose x goes to one, who has no time for y then.
    day = OfficeDay(
        8,
        (clerk("one", "########", "c"), clerk("two", "########", "a"), clerk("three", "########", "ac")),
        (
            booked("w", "one", 1, 2, "c"),
            booked("x", "three", 1, 4, "a"),
            booked("z", "three", 6, 1, "c"),
            booked("v", "three", 7, 1, "a"),
            booked("y", "two", 3, 3, "a"),
        ),
    )
    answer = admit(day, wish(0, 4, "c", window=bits("########")))
    assert isinstance(answer, Placement)
    assert {move.uid for move in answer.reassigned} == {"w", "x", "y"}


def test_appointments_that_left_already_arent_counted_again():
    day = OfficeDay(
        8,
        (
            clerk("one", "########", "ac"),
            clerk("two", "########", "ab"),
            clerk("three", "########", "ac"),
            clerk("four", "########", "c"),
        ),
        (
            booked("p", "two", 4, 3, "a"),
            booked("q", "three", 0, 1, "c"),
            booked("r", "three", 5, 1, "a"),
            booked("s", "four", 0, 4, "c"),
            booked("t", "one", 3, 3, "c"),
            booked("u", "two", 1, 2, "b"),
        ),
    )
    request = wish(3, 4, "b", window=bits("########"))
    answer = admit(day, request)
    assert isinstance(answer, Placement)
    assert check_placement(day, request, answer) == []
    assert len(answer.reassigned) == 3


def test_a_pinned_appointment_stays():
    clerks = (clerk("one", "######", "a"), clerk("two", "######", "b"))
    stays = OfficeDay(6, clerks, (booked("x", "one", 0, 3, "", pinned=True),))
    moves = OfficeDay(6, clerks, (booked("x", "one", 0, 3, ""),))
    assert isinstance(admit(stays, wish(0, 3)), Refusal)
    assert isinstance(admit(moves, wish(0, 3)), Placement)


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (wish(0, 2, "z"), "unknown-service"),
        (wish(4, 3), "outside-opening-hours"),
        (wish(0, 2, window=bits("#.####")), "outside-opening-hours"),
        (wish(2, 2), "no-free-clerk"),
    ],
)
def test_a_refusal_names_its_rule(request_, rule):
    day = OfficeDay(6, (clerk("one", "##..##"),), ())
    answer = admit(day, request_)
    assert isinstance(answer, Refusal)
    assert answer.rule == rule


def test_a_refusal_says_for_each_clerk_what_stands_in_the_way():
    day = OfficeDay(
        6,
        (clerk("can't", "######", "b"), clerk("off", "##.###"), clerk("busy", "######")),
        (booked("y", "busy", 3, 1), booked("x", "busy", 2, 1), booked("z", "busy", 5, 1)),
    )
    answer = admit(day, wish(2, 2))
    assert isinstance(answer, Refusal)
    assert answer.obstacles == (
        Obstacle("can't", "not-eligible"),
        Obstacle("off", "not-working"),
        Obstacle("busy", "occupied", ("x", "y")),
    )


def test_a_search_that_reaches_its_limit_says_so(monkeypatch):
    # Two could take x, and each would have to give away what she has: here a choice is needed.
    day = OfficeDay(
        6,
        (
            clerk("one", "###", "ac"),
            clerk("two", "###", "ab"),
            clerk("three", "###", "ab"),
            clerk("four", "###", "b"),
        ),
        (booked("x", "one", 0, 3, "a"), booked("y", "two", 0, 3, "b"), booked("z", "three", 0, 3, "b")),
    )
    assert isinstance(admit(day, wish(0, 3, "c")), Placement)
    for limit in ("PLACEMENTS", "CHOICES"):
        monkeypatch.setattr(admission, limit, 0)
    monkeypatch.setattr(matchings, "AT_FIRST", 0)
    monkeypatch.setattr(matchings, "STAGES", ())
    answer = admit(day, wish(0, 3, "c"))
    assert isinstance(answer, Refusal)
    assert not answer.proven


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: booked("x", "one", 0, 0), "appointment x: length 0 is less than one grain"),
        (lambda: booked("x", "one", -1, 2), "appointment x: start -1 lies before the day"),
        (
            lambda: booked("x", "one", 0, 10**12),
            "appointment x: grains 0 to 1000000000000 reach beyond any day",
        ),
        (lambda: wish(0, 0), "request: length 0 is less than one grain"),
        (lambda: wish(0, 1, window=-1), "request: window must not be negative"),
        (lambda: ClerkDay("one", frozenset(), -1), "clerk one: free must not be negative"),
        (lambda: OfficeDay(0, (), ()), "grains 0 is not between 1 and 600"),
        (
            lambda: OfficeDay(2, (clerk("one", "###"),), ()),
            "clerk one: free reaches beyond the day's 2 grains",
        ),
        (lambda: OfficeDay(2, (), (booked("x", "one", 1, 2),)), "appointment x: its end at grain 3"),
        (lambda: OfficeDay(2, (clerk("one", "#"), clerk("one", "#")), ()), "clerk one is there twice"),
        (
            lambda: OfficeDay(2, (), (booked("x", "one", 0, 1), booked("x", "one", 1, 1))),
            "appointment x is there twice",
        ),
        (lambda: starts(OfficeDay(2, (), ()), 0, frozenset(), 3), "length 0 is less than one grain"),
        (lambda: starts(OfficeDay(2, (), ()), 1, frozenset(), 3, step=0), "step 0 is less than one grain"),
    ],
)
def test_impossible_values_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_check_finds_each_kind_of_fault():
    day = OfficeDay(
        6,
        (clerk("one", "######", "a"), clerk("two", "###...", "b"), clerk("three", "######", "a")),
        (
            booked("x", "one", 0, 3),
            booked("y", "one", 3, 3, "", pinned=True),
            Booked("w", "three", 1, 1, frozenset()),
        ),
    )
    placement = Placement(
        "two",
        (
            Reassignment("x", "one", "three"),
            Reassignment("y", "three", "two"),
            Reassignment("y", "one", "two"),
            Reassignment("nobody", "one", "two"),
        ),
    )
    assert sorted(check_placement(day, wish(2, 2, window=bits("###...")), placement)) == sorted(
        [
            "the request lies outside its window",
            "y is reassigned twice",
            "y is pinned",
            "y doesn't go from three to two",
            "two doesn't work during y",
            "y is pinned",
            "two doesn't work during y",
            "nobody to two: unknown appointment or clerk",
            "two may not do all of the request",
            "two doesn't work during the request",
            "w overlaps x at three",
            "the request overlaps y at two",
        ]
    )
    assert check_placement(day, wish(0, 1), Placement("gone")) == ["gone is no clerk of this office"]


def test_admission_loads_no_solver_and_no_array_library():
    code = (
        "import optimizer, optimizer.admission, optimizer.instance, optimizer.check, sys;"
        "print([m for m in ('ortools', 'highspy', 'numpy', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_threads_may_share_a_day():
    """The site's do: whoever asks another start than the one before may add a moment to what both look things up in."""
    chance = random.Random(7)
    days = [crowded_day(seed, 5, 24) for seed in range(100)]
    wishes = [(chance.randrange(1, 5), frozenset(chance.choice("abcd"))) for _ in range(4)]
    alone = [[starts(day, *each, span(0, day.grains), step=1) for each in wishes] for day in days]
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for day, expected in zip(days, alone, strict=True):
                shared = Day(day)
                asked = [pool.submit(shared.starts, *each, span(0, day.grains), step=1) for each in wishes]
                assert [each.result() for each in asked] == expected
    finally:
        sys.setswitchinterval(switching)
