"""The decision alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_web.notifications.told import Decision, Kind, Snapshot, Told, decide
from calendar_server.ical.appointment import Appointment, ServiceLine
from calendar_server.ical.itip import Method
from tests.support.town import NOW, appointment, at

OFFICE = "buergerbuero"


def due(told: Told | None, current: Appointment | None, **values: Any) -> Decision | None:
    return decide(told, current, **{"office": OFFICE, "now": NOW, **values})


def told(value: Appointment | None = None, sequence: int = 0, *, cancelled: bool = False) -> Told:
    return Told(Snapshot.of(value or appointment(), OFFICE), sequence, cancelled)


CANCELLED = replace(appointment(), cancelled=True, sequence=4, reason="Krankheit")
HOLD = replace(appointment(), hold_until=NOW + timedelta(minutes=10))
OVER = appointment(start=at(7, 8, month=9))


@pytest.mark.parametrize(
    ("before", "current", "kind", "sequence"),
    [
        (None, appointment(), Kind.CONFIRMATION, 0),
        (None, appointment(sequence=3), Kind.CONFIRMATION, 3),
        (told(), appointment(start=at(7, 9), sequence=1), Kind.MOVED, 1),
        (told(), appointment(start=at(7, 9)), Kind.MOVED, 1),
        (told(sequence=5), appointment(start=at(7, 9), sequence=1), Kind.MOVED, 6),
        (told(), appointment(location="Zimmer 7"), Kind.MOVED, 1),
        (told(), appointment(minutes=45), Kind.CHANGED, 1),
        (told(), appointment(services=(ServiceLine("reisepass"),)), Kind.CHANGED, 1),
        (told(), appointment(services=(ServiceLine("meldebescheinigung", 2),)), Kind.CHANGED, 1),
        (told(), appointment(email="neu@example.org"), Kind.CONFIRMATION, 1),
        (told(), None, Kind.CANCELLED, 1),
        (told(), CANCELLED, Kind.CANCELLED, 4),
        (told(sequence=1, cancelled=True), appointment(), Kind.RESTORED, 2),
    ],
)
def test_what_is_told(before, current, kind, sequence):
    decision = due(before, current)
    assert decision is not None
    assert (decision.kind, decision.told.sequence) == (kind, sequence)
    assert decision.method is (Method.CANCEL if kind is Kind.CANCELLED else Method.REQUEST)


@pytest.mark.parametrize(
    ("before", "current"),
    [
        (None, None),
        (None, CANCELLED),
        (None, HOLD),
        (None, OVER),
        (None, appointment(email=" ")),
        (told(), appointment()),
        (told(), appointment(sequence=7)),
        (
            told(),
            appointment(summary="Reisepass · Frau Muster", remarks="ruft an", phone="1", name="E. Muster"),
        ),
        (told(), appointment(language="en", reminder=True, pinned=True, reference="K7QM-3XPD")),
        (told(), HOLD),
        (told(), appointment(start=at(7, 9), email="")),
        (told(cancelled=True), None),
        (told(cancelled=True), CANCELLED),
        (told(OVER), None),
    ],
)
def test_what_is_no_news(before, current):
    assert due(before, current) is None


PROPOSED = appointment(start=at(7, 9), sequence=1, proposed=at(7, 8))


@pytest.mark.parametrize(
    ("before", "current", "kind"),
    [
        (told(), PROPOSED, Kind.PROPOSAL),
        (told(PROPOSED, 1), PROPOSED, None),
        (told(PROPOSED, 1), replace(PROPOSED, proposed=None), None),
        (told(PROPOSED, 1), appointment(start=at(7, 10), sequence=2), Kind.MOVED),
        (told(PROPOSED, 1), replace(PROPOSED, start=at(7, 10), end=at(7, 11), sequence=2), Kind.PROPOSAL),
        (told(PROPOSED, 1), replace(PROPOSED, location="Zimmer 7"), Kind.MOVED),
        (None, PROPOSED, Kind.CONFIRMATION),
        (told(sequence=1, cancelled=True), PROPOSED, Kind.RESTORED),
    ],
)
def test_a_time_that_the_office_chose_is_a_proposal(before, current, kind):
    decision = due(before, current)
    assert (decision.kind if decision else None) is kind


def test_a_declined_appointment_is_known_as_such():
    declined = due(told(), replace(CANCELLED, declined=True))
    ordinary = due(told(), CANCELLED)
    assert declined is not None
    assert ordinary is not None
    assert (declined.kind, declined.declined, ordinary.declined) == (Kind.CANCELLED, True, False)


def test_a_cancellation_speaks_of_the_time_that_she_knows():
    decision = due(told(), replace(CANCELLED, start=at(9, 8), end=at(9, 9)))
    assert decision is not None
    assert decision.told.snapshot.start == at(7, 8)
    assert decision.reason == "Krankheit"


def test_a_reason_is_told_once_and_only_if_it_was_not_hers():
    moved = appointment(start=at(7, 9), reason="Krankheit")
    first = due(told(), moved)
    assert first is not None
    assert first.reason == "Krankheit"
    again = due(first.told, replace(moved, start=at(7, 10), end=at(7, 11)))
    assert again is not None
    assert again.reason == ""
    hers = due(told(), moved, by_citizen=True)
    assert hers is not None
    assert hers.reason == ""


def test_who_did_it_is_kept():
    decision = due(told(), None, by_citizen=True)
    assert decision is not None
    assert decision.by_citizen


def test_what_was_refused_is_not_tried_again_but_what_differs_is():
    refused = told()
    assert due(None, appointment(), refused=refused) is None
    assert due(None, appointment(start=at(7, 9)), refused=refused) is not None
    assert due(None, appointment(email="neu@example.org"), refused=refused) is not None
    assert due(told(), None, refused=refused) is not None
    assert due(told(), None, refused=told(cancelled=True)) is None


def test_an_appointment_moved_from_the_past_is_news():
    assert due(told(OVER), appointment(sequence=1)) is not None


states = st.one_of(
    st.none(),
    st.builds(
        appointment,
        start=st.sampled_from([at(7, 8), at(7, 9), at(9, 8)]),
        minutes=st.sampled_from([15, 30]),
        location=st.sampled_from(["", "Zimmer 7"]),
        email=st.sampled_from(["", "erika@example.org", "neu@example.org"]),
        name=st.sampled_from(["Erika", "Max"]),
        cancelled=st.booleans(),
        hold_until=st.sampled_from([None, None, None, NOW + timedelta(minutes=10)]),
        sequence=st.integers(0, 9),
    ),
)


def calendar_of(messages: list[Decision]) -> dict[str, tuple[int, Snapshot | None]]:
    """What the calendar of each address shows after these messages, by RFC 5546: a higher SEQUENCE replaces."""
    shown: dict[str, tuple[int, Snapshot | None]] = {}
    for message in messages:
        seen = message.told.snapshot
        known = shown.get(seen.email)
        assert known is None or message.told.sequence > known[0], "an update would be ignored"
        shown[seen.email] = (message.told.sequence, None if message.told.cancelled else seen)
    return shown


@given(st.lists(states, max_size=8))
def test_whatever_happens_her_calendar_shows_what_she_was_told_and_the_last_state(history):
    before: Told | None = None
    messages = []
    for current in history:
        if decision := due(before, current):
            messages.append(decision)
            before = decision.told
        assert due(before, current) is None, "told once, told for good"
    shown = calendar_of(messages)
    last = history[-1] if history else None
    if last is not None and not last.cancelled and not last.is_hold and last.email:
        sequence_and_state = shown[last.email][1]
        assert sequence_and_state is not None
        assert sequence_and_state.says_the_same(Snapshot.of(last, OFFICE))
    elif last is None or last.cancelled:
        current_address = before.snapshot.email if before else ""
        assert current_address not in shown or shown[current_address][1] is None


@given(states.filter(lambda state: state is not None))
def test_a_snapshot_can_be_kept(state):
    seen = Snapshot.of(state, OFFICE)
    assert Snapshot.from_json(seen.to_json()) == seen
