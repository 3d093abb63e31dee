"""How even loads can be: cuts that tell the relaxation what whole appointments add up to.

The relaxation may give a clerk half of a long appointment and so meet her target exactly, where any whole choice is
some grains above it or below. Her deviation as a function of what she has is convex in her load, but not every load can
be reached: over the *days* that she can have, the lower envelope of the deviations lies far above |load - target|.

The cuts are this envelope's faces (the Dantzig-Wolfe bound for one clerk, in the space of columns, as Benders' cuts are). A
point's face comes from a small program over the days among the columns that the point uses; the rest of the columns is lifted in
sequence, for which a dynamic program over time and load tells how little a day with that column can deviate.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import highspy
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.columns import Columns, Flags, Ints

    Floats = NDArray[np.float64]

EPSILON = 1e-6
DAYS = 2000
"""Days among the columns in use up to which a clerk's face is looked for."""
DEEP = 0.05
"""Grains by which a cut must raise a clerk's deviation."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A target's clerk deviates from it by `least` at least, and by a coefficient more for each of these columns that she has."""

    target: int
    columns: Ints
    coefficients: Floats
    least: float


@dataclass(frozen=True, slots=True)
class Choices:
    """What a clerk may have on day 0: periods of grains, of which any that don't overlap make a day; `target` in grains."""

    start: Ints
    length: Ints
    target: int
    grains: int

    def deviation(self) -> Floats:
        """Give the deviation for each load from 0 to all grains."""
        return np.abs(np.arange(self.grains + 1, dtype=np.float64) - self.target)


def cuts(columns: Columns, alive: Flags, values: Floats, deviations: Floats) -> list[Cut]:
    """Give cuts that a solution of the relaxation violates, valid for every choice among the alive columns.

    `deviations` is what the solution has for each clerk with a target, in the clerks' order.
    """
    office = columns.office
    targets = [
        (number, clerk.target) for number, clerk in enumerate(office.clerks) if clerk.target is not None
    ]
    placed = np.flatnonzero(alive & (columns.work > 0) & (columns.clerk >= 0))
    order = placed[np.argsort(columns.clerk[placed], kind="stable")]
    ends = np.searchsorted(columns.clerk[order], np.arange(len(office.clerks) + 1))
    found = []
    for number, (clerk, target) in enumerate(targets):
        mine = order[ends[clerk] : ends[clerk + 1]]
        choices = Choices(columns.start[mine], columns.length[mine], target, office.grains_a_day)
        face = violated(choices, values[mine], float(deviations[number]))
        if face is not None:
            found.append(Cut(number, mine, *face))
    return found


def violated(choices: Choices, values: Floats, deviation: float) -> tuple[Floats, float] | None:
    """Give a face of the envelope of days that lies above this point: what each period adds to a constant, and the constant."""
    whole = np.flatnonzero(values >= 1 - EPSILON)
    parts = np.flatnonzero((values > EPSILON) & (values < 1 - EPSILON))
    days = _days(choices, parts) if len(parts) else []
    if not days:
        return None
    extra = np.array([int(choices.length[day].sum()) for day in days])
    base = int(choices.length[whole].sum())
    deviations = np.abs(base + extra - choices.target).astype(np.float64)
    shares = _envelope(days, parts, deviations, values[parts], deviation + DEEP)
    if shares is None:
        return None
    coefficients = np.zeros(len(values))
    coefficients[parts] = shares
    gained = np.array([-coefficients[day].sum() for day in days])
    least = float((deviations + gained).min())
    # The cheapest way to each load; those that the point has as a whole are in, until they are let go one by one.
    cheapest = np.full(choices.grains + 1, inf)
    np.minimum.at(cheapest, extra, gained)
    for period in whole[np.argsort(-choices.length[whole], kind="stable")].tolist():
        length = int(choices.length[period])
        base -= length
        rest = np.abs(np.arange(choices.grains + 1) + base - choices.target)
        without = least - float((cheapest + rest).min())
        coefficients[period] = without
        least -= without
        taken = cheapest[:-length] - without
        cheapest = cheapest.copy()
        cheapest[length:] = np.minimum(cheapest[length:], taken)
    return _lifted(choices, values > EPSILON, coefficients, least)


def _days(choices: Choices, parts: Ints) -> list[Ints]:
    """List the days among some periods, none if there are too many."""
    order = parts[np.argsort(choices.start[parts], kind="stable")].tolist()
    start, end = choices.start.tolist(), (choices.start + choices.length).tolist()
    days: list[tuple[list[int], int]] = [([], 0)]
    for period in order:
        days += [([*day, period], end[period]) for day, until in days if until <= start[period]]
        if len(days) > DAYS:
            return []
    return [np.array(day, dtype=np.int64) for day, _ in days]


def _envelope(
    days: list[Ints], parts: Ints, deviations: Floats, values: Floats, least: float
) -> Floats | None:
    """Mix days so that the parts have these values and the days deviate as little as possible.

    Gives the values' duals if that is `least` or more.
    """
    place = np.full(int(parts.max()) + 1, -1)
    place[parts] = np.arange(len(parts))
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(days), len(parts) + 1
    lp.col_cost_ = deviations
    lp.col_lower_, lp.col_upper_ = np.zeros(len(days)), np.full(len(days), inf)
    lp.row_lower_ = lp.row_upper_ = np.append(values, 1.0)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    index = np.concatenate([np.append(place[day], len(parts)) for day in days])
    lp.a_matrix_.start_ = np.cumsum([0, *(len(day) + 1 for day in days)])
    lp.a_matrix_.index_, lp.a_matrix_.value_ = index, np.ones(len(index))
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # the library has no types here
    for option, value in (("output_flag", False), ("threads", 1), ("presolve", "off")):
        highs.setOptionValue(option, value)
    highs.passModel(lp)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    if highs.getInfo().objective_function_value < least:
        return None
    return np.asarray(highs.getSolution().row_dual)[:-1]


def _lifted(choices: Choices, used: Flags, coefficients: Floats, least: float) -> tuple[Floats, float]:
    """Give the other periods the most that they can add, one after the other, so that every day keeps to the constant.

    The constant is computed anew from all days, so that it holds whatever the coefficients are.
    """
    deviation = choices.deviation()
    size = len(deviation)
    end = choices.start + choices.length
    times = np.unique(np.concatenate([[0], choices.start, end]))
    first, last = np.searchsorted(times, choices.start).tolist(), np.searchsorted(times, end).tolist()
    length, most = choices.length.tolist(), float(choices.grains)
    beginning: list[list[int]] = [[] for _ in times]
    for period in np.argsort(-choices.length, kind="stable").tolist():
        beginning[first[period]].append(period)
    found: list[float] = coefficients.tolist()
    # By time and by load up to then: the least that a day deviates less its coefficients, counted from there on and up to there.
    onward = np.full((len(times), size), inf)
    onward[-1] = deviation
    for moment in range(len(times) - 2, -1, -1):
        onward[moment] = onward[moment + 1]
        for period in beginning[moment]:
            if used[period]:
                grains = length[period]
                rest = onward[last[period], grains:] - found[period]
                np.minimum(onward[moment, : size - grains], rest, out=onward[moment, : size - grains])
    upto = np.full((len(times), size), inf)
    upto[0, 0] = 0.0
    for moment in range(len(times)):
        if moment:
            np.minimum(upto[moment], upto[moment - 1], out=upto[moment])
        for period in beginning[moment]:
            grains = length[period]
            before, after = upto[moment, : size - grains], last[period]
            if not used[period]:
                found[period] = min(float((before + onward[after, grains:]).min()) - least, most)
            np.minimum(upto[after, grains:], before - found[period], out=upto[after, grains:])
    return np.array(found), float((upto[-1] + deviation).min())
