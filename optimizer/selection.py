"""The integer step of repair: choose one column for each appointment, by HiGHS' branch and cut.

It is only asked about the few columns that the relaxation left over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np

from optimizer.columns import CANCELLED, CHANGED, IMBALANCE, MOVED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from optimizer.columns import Columns, Flags, Ints
    from optimizer.loads import Cut

FAR = 10**9
"""Beyond any bound that matters."""


HEURISTICS = (
    "mip_heuristic_run_feasibility_jump",
    "mip_heuristic_run_rens",
    "mip_heuristic_run_rins",
    "mip_heuristic_run_root_reduced_cost",
)
"""Options of HiGHS that look for good choices."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What came out: the chosen columns if there are any, and whether nothing better exists among those offered.

    Without columns, `proven` says that no choice keeps the bounds; else the time was too short.
    """

    columns: Ints | None
    proven: bool


@dataclass(frozen=True, slots=True)
class Question:
    """Which columns may be chosen, bounds [least, most] on the levels, and the level to minimise.

    With no `level` any choice within the bounds will do. With `both`, moved grains are followed by clerk changes, and clerk changes by
    imbalance, so that the next level is minimised too: the relaxations are far less degenerate then, and refuting takes far fewer cuts.
    Where probably nothing keeps the bounds, `doubtful` saves the time of looking for a choice before refuting it.
    `cuts` on imbalance must be valid for these columns. At the last of so many `pauses` the best choice so far will do.
    """

    alive: Flags
    bounds: dict[int, tuple[int, int]]
    level: int | None
    both: bool = False
    doubtful: bool = False
    cuts: tuple[Cut, ...] = ()
    pauses: int | None = None


class _Rows:
    """Sparse rows under construction."""

    def __init__(self) -> None:
        self.index: list[Ints] = []
        self.value: list[NDArray[np.float64]] = []
        self.lower: list[float] = []
        self.upper: list[float] = []

    def add(self, index: Ints, value: NDArray[np.float64] | None, lower: float, upper: float) -> None:
        self.index.append(index)
        self.value.append(np.ones(len(index)) if value is None else value)
        self.lower.append(lower)
        self.upper.append(upper)


def choose(columns: Columns, question: Question, seconds: float, *, seed: int = 1) -> Choice:
    """Answer the question within the time; the same seed gives the same answer."""
    chosen = np.flatnonzero(question.alive)
    if len(np.unique(columns.appointment[chosen])) < len(columns.office.appointments):
        return Choice(None, proven=True)
    rows = _Rows()
    _one_each(columns, chosen, rows)
    _no_overlaps(columns, chosen, rows)
    deviations = _levels(columns, chosen, question, rows)
    cost = _cost(columns, chosen, question.level, deviations)
    highs = _model(rows, cost, len(chosen), int(columns.work[chosen].sum()))
    if question.both:
        assert question.level is not None
        weight = _weight(columns, question.level + 1)
        cost = weight * cost + _cost(columns, chosen, question.level + 1, deviations)
        highs.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)
    if question.doubtful:
        for heuristic in HEURISTICS:
            highs.setOptionValue(heuristic, False)
        highs.setOptionValue("mip_heuristic_effort", 0.0)
    if question.pauses is not None:
        _stop_at(highs, question.pauses)
    highs.setOptionValue("time_limit", max(0.0, seconds))
    highs.setOptionValue("random_seed", seed)
    highs.run()
    status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return Choice(None, proven=True)
    proven = status == highspy.HighsModelStatus.kOptimal
    values = np.asarray(highs.getSolution().col_value)[: len(chosen)]
    if not proven and (
        len(values) < len(chosen)
        or highs.getInfo().primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible
    ):
        return Choice(None, proven=False)
    return Choice(chosen[values > 0.5], proven)


def _model(rows: _Rows, cost: NDArray[np.float64], binaries: int, most: int) -> highspy.Highs:
    """Give the program: binary columns, then whole deviations, which are bounded although they needn't be.

    Presolve of HiGHS 1.15 can't be relied on (decision 0100): it was seen to loop for ever, past its time limit, on six rows
    with unbounded continuous columns, and to lose all solutions of a program with 2,142 binary ones. Restarts presolve anew.
    """
    highs = highspy.Highs()  # type: ignore[no-untyped-call]  # the library has no types here
    for option, value in (
        ("output_flag", False),
        ("threads", 1),
        ("mip_rel_gap", 0.0),
        # All costs are whole numbers.
        ("mip_abs_gap", 0.999),
        ("presolve", "off"),
        ("mip_allow_restart", False),
    ):
        highs.setOptionValue(option, value)
    targets = max((abs(bound) for bound in (*rows.lower, *rows.upper) if abs(bound) < FAR), default=0.0)
    size = len(cost)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = size, len(rows.lower)
    lp.col_cost_ = cost
    lp.col_lower_ = np.zeros(size)
    upper = np.full(size, most + targets)
    upper[:binaries] = 1.0
    lp.col_upper_ = upper
    lp.row_lower_, lp.row_upper_ = np.array(rows.lower), np.array(rows.upper)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.cumsum([0, *(len(index) for index in rows.index)])
    lp.a_matrix_.index_ = np.concatenate(rows.index)
    lp.a_matrix_.value_ = np.concatenate(rows.value)
    lp.integrality_ = [highspy.HighsVarType.kInteger] * size
    highs.passModel(lp)
    return highs


def _stop_at(highs: highspy.Highs, pauses: int) -> None:
    """Let branch and cut end at the last of so many pauses in which it asks whether to go on.

    It asks after each round of its work, so that unlike time the same pause comes at the same place each time. A limit of nodes
    wouldn't do: the first one alone was seen to take 20 seconds.
    """
    seen = 0

    def ask(event: Any) -> None:
        nonlocal seen
        seen += 1
        if seen >= pauses:
            event.interrupt()

    highs.cbMipInterrupt += ask


def _cost(columns: Columns, chosen: Ints, level: int | None, deviations: int) -> NDArray[np.float64]:
    """Give what the columns and then the deviations add to a level."""
    cost = np.zeros(len(chosen) + deviations)
    if level == IMBALANCE:
        cost[len(chosen) :] = 1.0
    elif level is not None:
        cost[: len(chosen)] = columns.cost[level, chosen]
    return cost


def _weight(columns: Columns, level: int) -> int:
    """Give more than a level can cost."""
    office = columns.office
    if level != IMBALANCE:
        return 1 + len(office.appointments)
    work = np.zeros(len(office.appointments), dtype=np.int64)
    np.maximum.at(work, columns.appointment, columns.work)
    return 1 + int(work.sum()) + sum(abs(clerk.target) for clerk in office.clerks if clerk.target is not None)


def _one_each(columns: Columns, chosen: Ints, rows: _Rows) -> None:
    owner = columns.appointment[chosen]
    ends = np.searchsorted(owner, np.arange(len(columns.office.appointments) + 1))
    for first, last in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        rows.add(np.arange(first, last), None, 1.0, 1.0)


def _no_overlaps(columns: Columns, chosen: Ints, rows: _Rows) -> None:
    """Allow one column of each maximal clique: the columns over a grain at which one starts before one ends."""
    placed = np.flatnonzero(columns.slot[chosen] >= 0)
    slot = columns.slot[chosen][placed]
    start = columns.start[chosen][placed]
    end = start + columns.length[chosen][placed]
    for which in np.unique(slot):
        mine = np.flatnonzero(slot == which)
        starts, ends = start[mine], end[mine]
        grains = np.unique(starts)
        following = np.append(grains[1:], np.iinfo(np.int64).max)
        for grain, after in zip(grains.tolist(), following.tolist(), strict=True):
            over = (starts <= grain) & (ends > grain)
            if over.sum() > 1 and (ends[over] <= after).any():
                rows.add(placed[mine[over]], None, -highspy.kHighsInf, 1.0)


def _levels(columns: Columns, chosen: Ints, question: Question, rows: _Rows) -> int:
    """Add the bounds on the levels, and how far each load is from its target; give the number of the latter."""
    for level in (CANCELLED, MOVED, CHANGED):
        if level in question.bounds:
            cost = columns.cost[level, chosen]
            which = np.flatnonzero(cost)
            least, most = question.bounds[level]
            rows.add(which, cost[which].astype(np.float64), float(least), float(most))
    balanced = question.level == IMBALANCE or (question.both and question.level == CHANGED)
    if not balanced and IMBALANCE not in question.bounds:
        return 0
    work, clerk = columns.work[chosen], columns.clerk[chosen]
    targets = [(number, c.target) for number, c in enumerate(columns.office.clerks) if c.target is not None]
    for place, (number, target) in enumerate(targets):
        which = np.flatnonzero((clerk == number) & (work > 0))
        both = len(chosen) + 2 * place + np.arange(2)
        value = np.concatenate([work[which].astype(np.float64), [1.0, -1.0]])
        rows.add(np.concatenate([which, both]), value, float(target), float(target))
    where = np.full(len(columns), -1)
    where[chosen] = np.arange(len(chosen))
    for cut in question.cuts:
        index = where[cut.columns]
        inside = index >= 0
        both = len(chosen) + 2 * cut.target + np.arange(2)
        value = np.concatenate([-cut.coefficients[inside], [1.0, 1.0]])
        rows.add(np.concatenate([index[inside], both]), value, cut.least, highspy.kHighsInf)
    if IMBALANCE in question.bounds:
        least, most = question.bounds[IMBALANCE]
        rows.add(len(chosen) + np.arange(2 * len(targets)), None, float(least), float(most))
    return 2 * len(targets)
