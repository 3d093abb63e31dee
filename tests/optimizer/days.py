"""Office days for tests: short to write down, small enough for brute force."""

import random
from itertools import product

from hypothesis import strategies as st

from optimizer.instance import Booked, ClerkDay, OfficeDay

SKILLS = ("a", "b")


def bits(text):
    """'.##' gives the grains 1 and 2."""
    return sum(1 << grain for grain, mark in enumerate(text) if mark == "#")


def clerk(name, free, services="a"):
    return ClerkDay(name, frozenset(services), bits(free))


def booked(uid, clerk, start, length, services="a", *, pinned=False):
    return Booked(uid, clerk, start, length, frozenset(services), pinned)


@st.composite
def office_days(draw, grains=6, most_clerks=3, most_booked=5):
    """Days with every oddity at once: overlaps, appointments outside working time, unknown clerks, pins."""
    names = [f"c{n}" for n in range(draw(st.integers(0, most_clerks)))]
    skills = st.frozensets(st.sampled_from(SKILLS))
    clerks = tuple(ClerkDay(name, draw(skills), draw(st.integers(0, 2**grains - 1))) for name in names)
    entries = []
    for number in range(draw(st.integers(0, most_booked))):
        start = draw(st.integers(0, grains - 1))
        length = draw(st.integers(1, min(3, grains - start)))
        holder = draw(st.sampled_from([*names, "gone"]))
        pinned = draw(st.integers(0, 5)) == 0
        entries.append(Booked(f"u{number}", holder, start, length, draw(skills), pinned))
    return OfficeDay(grains, clerks, tuple(entries))


@st.composite
def orderly_days(draw, grains=8, most_clerks=4, most_booked=8):
    """Days without any overlap and with long working times: here chains are long."""
    names = [f"c{n}" for n in range(draw(st.integers(2, most_clerks)))]
    full = 2**grains - 1
    clerks = tuple(
        ClerkDay(
            name,
            draw(st.sampled_from([frozenset("a"), frozenset("b"), frozenset("ab")])),
            full & ~draw(st.sampled_from([0, 0, 1, 0b11000, 1 << (grains - 1)])),
        )
        for name in names
    )
    taken = dict.fromkeys(names, 0)
    entries = []
    for number in range(draw(st.integers(2, most_booked))):
        start = draw(st.integers(0, grains - 1))
        length = draw(st.integers(1, min(4, grains - start)))
        holder = draw(st.sampled_from(names))
        mask = ((1 << length) - 1) << start
        if taken[holder] & mask:
            continue
        taken[holder] |= mask
        mine = next(entry.services for entry in clerks if entry.clerk == holder)
        entries.append(
            Booked(f"u{number}", holder, start, length, draw(st.sampled_from([mine, frozenset("a")])))
        )
    return OfficeDay(grains, clerks, tuple(entries))


def crowded_day(seed, clerks=7, grains=20):
    """A day on which hardly anybody has a gap: too large to try everything, and rings decide."""
    chance = random.Random(seed)
    entries = []
    staff = []
    for number in range(clerks):
        skills = sorted(chance.sample("abcd", 2))
        staff.append(ClerkDay(f"c{number}", frozenset(skills), 2**grains - 1))
        at = chance.randint(0, 2)
        while at < grains:
            length = min(chance.randint(1, 5), grains - at)
            if chance.random() < 0.93:
                needed = frozenset(chance.choice(skills))
                entries.append(Booked(f"u{len(entries)}", f"c{number}", at, length, needed))
            at += length
    return OfficeDay(grains, tuple(staff), tuple(entries))


needs = st.frozensets(st.sampled_from(SKILLS))
"""What a request may ask for."""
small_days = st.one_of(office_days(), orderly_days(grains=6, most_booked=6))
"""Of six grains: small enough to try out everything."""
crowded_days = st.builds(crowded_day, st.integers(0, 2**32), st.integers(3, 5), st.just(12))


def can_be_rearranged(day, start, length, services):
    """Say whether everybody who is booked and one more can be given to clerks; nobody is pinned or on top of another one.

    In the order of their starts, with all states that the clerks' ends can be in.
    """
    wanted = [(entry.start, entry.length, entry.services) for entry in day.booked]
    wanted = sorted([*wanted, (start, length, services)], key=lambda entry: entry[0])
    states = {(0,) * len(day.clerks)}
    for first, count, needs in wanted:
        states = {
            (*state[:number], first + count, *state[number + 1 :])
            for state in states
            for number, clerk in enumerate(day.clerks)
            if needs <= clerk.services
            and state[number] <= first
            and all(clerk.free >> grain & 1 for grain in range(first, first + count))
        }
    return bool(states)


def fewest_reassigned(day, start, length, services, window):
    """Try every distribution of the appointments; None when there is no placement."""
    if any(not window >> grain & 1 for grain in range(start, start + length)) or start + length > day.grains:
        return None
    clerks = {entry.clerk: entry for entry in day.clerks}

    def fits(name, first, count, needs):
        taker = clerks.get(name)
        return (
            taker is not None
            and needs <= taker.services
            and all(taker.free >> grain & 1 for grain in range(first, first + count))
        )

    choices = [
        [entry.clerk]
        + [
            name
            for name in clerks
            if not entry.pinned
            and entry.clerk in clerks
            and name != entry.clerk
            and fits(name, entry.start, entry.length, entry.services)
        ]
        for entry in day.booked
    ]
    best = None
    for root in clerks:
        if not fits(root, start, length, services):
            continue
        for holders in product(*choices):
            places = [
                (holder, entry.start, entry.start + entry.length, holder != entry.clerk)
                for holder, entry in zip(holders, day.booked, strict=True)
            ]
            places.append((root, start, start + length, True))
            clash = any(
                one[0] == two[0] and one[1] < two[2] and two[1] < one[2] and (one[3] or two[3])
                for index, one in enumerate(places)
                for two in places[:index]
            )
            count = sum(place[3] for place in places) - 1
            if not clash and (best is None or count < best):
                best = count
    return best
