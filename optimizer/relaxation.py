"""The linear relaxation of repair, by column generation on HiGHS.

All columns are priced in one array expression, so the relaxation is solved over all of them while the solver only
sees some thousands: those near the promised time at first, then whatever would improve the solution. A clerk's
grain gets its row once a column in the solver starts there; up to then its row would follow from the one before.
The dual values then tell which columns can be in a solution of a given cost at all.

Several levels at once in one weighted objective make the program far less degenerate than one after the other:
with the number of clerk changes beside the moved grains, the largest office takes one second instead of eight.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import highspy
import numpy as np

from optimizer.columns import CANCELLED, IMBALANCE, MOVED
from optimizer.loads import cuts
from optimizer.solution import InfeasibleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from optimizer.columns import Columns, Flags, Ints
    from optimizer.loads import Cut

    Floats = NDArray[np.float64]

EPSILON = 1e-6
NEAR = 12
"""Grains around the promised time that the solver sees from the beginning."""
SMALL = 300
"""Columns up to which presolve isn't worth its time."""
EVENLY = (0, 0, 0, 1)
"""Weights of the levels that leave imbalance alone."""
ROUNDS = 20
"""Times that load cuts are added at most."""
BEST = 10
"""Columns of an appointment on a later day that it sees from the beginning, and that a round of pricing adds."""


DUAL, PRIMAL = 1, 4
CHOOSE, DEVEX = -1, 1
LOWER, BASIC = (int(status) for status in (highspy.HighsBasisStatus.kLower, highspy.HighsBasisStatus.kBasic))
"""Strategies of the simplex by HiGHS' numbers."""
FAR = 2**31 - 1
"""More steps of the simplex than there will be."""


class OutOfTimeError(Exception):
    """The deadline passed before the relaxation was solved."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What the relaxation would cost among fewer columns, and the basis to go on from.

    Infinity if there is no solution that cheap; a mere guess if not `exact`.
    """

    value: float
    exact: bool
    basis: highspy.HighsBasis


def nearby(columns: Columns, plan: Ints) -> Flags:
    """Mark the columns to begin with: cancellations, all within `NEAR` or as near as a plan's, an appointment's `BEST` on each later day."""
    office = columns.office
    moved = columns.cost[MOVED]
    reach = np.full(len(office.appointments), NEAR)
    np.maximum.at(reach, columns.appointment[plan], moved[plan])
    cancelled = columns.appointment[plan][columns.cost[CANCELLED, plan] > 0]
    reach[cancelled] = office.grains_a_day
    near: Flags = (columns.cost[CANCELLED] > 0) | (
        moved <= np.minimum(reach, office.grains_a_day - 1)[columns.appointment]
    )
    later = np.flatnonzero(moved >= office.grains_a_day)
    order = later[np.lexsort((moved[later], columns.appointment[later]))]
    days = max(1, office.days)
    group = columns.appointment[order] * days + columns.slot[order] % days
    order = order[np.argsort(group, kind="stable")]
    group = np.sort(group)
    near[order[np.arange(len(order)) - np.searchsorted(group, group) < BEST]] = True
    return near


class Relaxation:
    """A linear program over the alive columns, with bounds on what each level costs.

    `alive` is a mask over all columns; `reduced` their reduced costs and `values` their values after `solve`. The solver
    sees the `seen` columns from the beginning.
    """

    def __init__(self, columns: Columns, seen: Flags, keys: Ints | None = None) -> None:
        self.columns = columns
        self.alive: Flags = np.ones(len(columns), dtype=bool)
        self.reduced: Floats = np.zeros(len(columns))
        office = columns.office
        self._appointments = len(office.appointments)
        self._targets = [(n, c.target) for n, c in enumerate(office.clerks) if c.target is not None]
        # The last entry of each table of rows stands for "none", which index -1 reaches.
        self._load_row = np.full(len(office.clerks) + 1, -1, dtype=np.int64)
        first = self._appointments + IMBALANCE
        for row, (clerk, _) in enumerate(self._targets):
            self._load_row[clerk] = first + row
        self._grain_row = np.full((len(office.clerks) * office.days, office.grains_a_day), -1, dtype=np.int64)
        self._rows = first + len(self._targets)
        self._inside: Ints = np.zeros(0, dtype=np.int64)
        self._outside: Flags = np.ones(len(columns), dtype=bool)
        self._cost: Floats = np.zeros(len(columns))
        # Two columns for each target come first: grains below it, and grains above it.
        self._deviations = 2 * len(self._targets)
        self._cuts: list[tuple[int, Cut]] = []
        self._bound: Flags = np.ones(len(columns), dtype=bool)
        self._highs = highspy.Highs()  # type: ignore[no-untyped-call]  # the library has no types here
        self._highs.setOptionValue("output_flag", False)
        self._highs.setOptionValue("threads", 1)
        # Steepest edge needs a system solved for each basic column whenever a basis is returned to.
        self._highs.setOptionValue("simplex_dual_edge_weight_strategy", CHOOSE if keys is None else DEVEX)
        self._begin(np.flatnonzero(seen), np.zeros(0, dtype=np.int64) if keys is None else keys)

    def solve(self, weights: Sequence[float], seconds: float, *, warm: bool = False) -> float:
        """Minimise the weighted sum of the four levels over all alive columns and give its value.

        `warm` says that the last solution keeps all bounds. Raises OutOfTimeError and InfeasibleError.
        """
        cost = self._cost = np.asarray(weights[:IMBALANCE], dtype=np.float64) @ self.columns.cost
        deviation = np.full(self._deviations, float(weights[IMBALANCE]))
        inside = np.concatenate([deviation, cost[self._inside]])
        self._highs.changeColsCost(len(inside), np.arange(len(inside), dtype=np.int32), inside)
        # A change of objective alone leaves the last solution feasible: then the primal simplex goes on from it.
        self._highs.setOptionValue("simplex_strategy", PRIMAL if warm else DUAL)
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + max(0.0, seconds))
        while True:
            self._run()
            self._price(cost)
            wanted = self._wanted()
            if not len(wanted):
                return float(self._highs.getInfo().objective_function_value)
            self._add(wanted, cost)

    def _run(self) -> None:
        """Find an optimal basis, from the beginning where the simplex ends in doubt.

        Only what the solver calls infeasible is; no cost is negative, so nothing is unbounded. Raises OutOfTimeError in lasting doubt.
        """
        for strategy in (None, DUAL, PRIMAL):
            if strategy is not None:
                self._highs.clearSolver()
                self._highs.setOptionValue("simplex_strategy", strategy)
            self._highs.run()
            status = self._highs.getModelStatus()
            if status == highspy.HighsModelStatus.kOptimal:
                return
            if status in (
                highspy.HighsModelStatus.kInfeasible,
                highspy.HighsModelStatus.kUnboundedOrInfeasible,
            ):
                raise InfeasibleError(self._highs.modelStatusToString(status))
            if status == highspy.HighsModelStatus.kTimeLimit:
                break
        raise OutOfTimeError

    def __len__(self) -> int:
        """Give how many columns the solver sees."""
        return len(self._inside)

    def among(self, alive: Flags, basis: highspy.HighsBasis) -> Relaxation:
        """Give a program of these columns alone, with this one's objective and bounds, that begins at a basis of this one.

        The basis stays one, since all of its columns stay, unused though some may be, and all rows and cuts but basic ones.
        """
        self.return_to(basis)
        of_columns = np.array([int(status) for status in basis.col_status])
        of_rows = np.array([int(status) for status in basis.row_status])
        seen = alive.copy()
        seen[self._inside[of_columns[self._deviations :] == BASIC]] = True
        keys = np.flatnonzero(self._grain_row.ravel() >= 0)
        rows = self._grain_row.ravel()[keys]
        smaller = Relaxation(self.columns, seen, keys[of_rows[rows] != BASIC])
        smaller._start_like(self, of_columns, of_rows)
        smaller.restrict(alive)
        return smaller

    def _start_like(self, other: Relaxation, of_columns: Ints, of_rows: Ints) -> None:
        """Take another program's objective, bounds on the levels, and basis of which this one has all columns that are basic."""
        lp = other._highs.getLp()
        for level in range(IMBALANCE):
            row = self._appointments + level
            self.bound(level, lp.row_lower_[row], lp.row_upper_[row])
        self._cost = other._cost
        cost = np.concatenate([lp.col_cost_[: self._deviations], self._cost[self._inside]])
        kept = [(row, cut) for row, cut in other._cuts if of_rows[row] != BASIC]
        before = self._rows
        self.cut(cut for _, cut in kept)
        self._bound = other._bound
        self._highs.changeColsCost(len(cost), np.arange(len(cost), dtype=np.int32), cost)
        columns = np.full(len(self.columns), LOWER, dtype=np.int64)
        columns[other._inside] = of_columns[self._deviations :]
        rows = np.full(self._rows, BASIC, dtype=np.int64)
        first = self._appointments + IMBALANCE + len(self._targets)
        rows[:first] = of_rows[:first]
        both = np.flatnonzero((self._grain_row.ravel() >= 0) & (other._grain_row.ravel() >= 0))
        rows[self._grain_row.ravel()[both]] = of_rows[other._grain_row.ravel()[both]]
        rows[before:] = [of_rows[row] for row, _ in kept]
        basis = highspy.HighsBasis()
        basis.col_status = [
            highspy.HighsBasisStatus(status)
            for status in np.concatenate([of_columns[: self._deviations], columns[self._inside]]).tolist()
        ]
        basis.row_status = [highspy.HighsBasisStatus(status) for status in rows.tolist()]
        basis.valid = True
        self._highs.setBasis(basis)

    def probe(self, masks: Sequence[Flags], most: float, steps: int, seconds: float) -> list[Probe]:
        """Tell for each mask what the last objective costs at least if only its columns are alive, as far as `steps` of the simplex tell.

        More than `most` needn't be told exactly. The last solution's basis is the one that each begins at, and stays in force;
        `values` and `reduced` can't be asked until the next `solve`.
        """
        missing = np.flatnonzero(self._outside & np.logical_or.reduce(masks))
        if len(missing):
            # They don't improve the solution, so it stays the best.
            self._add(missing, self._cost)
            self._highs.run()
        before, basis = self.alive, self.basis()
        self._highs.setOptionValue("simplex_strategy", DUAL)
        self._highs.setOptionValue("simplex_iteration_limit", steps)
        self._highs.setOptionValue("objective_bound", most)
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + max(0.0, seconds))
        found = []
        for mask in masks:
            self.restrict(mask)
            self._highs.run()
            status = self._highs.getModelStatus()
            if status == highspy.HighsModelStatus.kTimeLimit:
                raise OutOfTimeError
            if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kObjectiveBound):
                found.append(Probe(inf, True, basis))
            else:
                value = float(self._highs.getInfo().objective_function_value)
                found.append(Probe(value, status == highspy.HighsModelStatus.kOptimal, self.basis()))
            self._highs.setBasis(basis)
        self._highs.setOptionValue("simplex_iteration_limit", FAR)
        self._highs.setOptionValue("objective_bound", inf)
        self.restrict(before)
        return found

    def bound(self, level: int, least: float, most: float) -> None:
        """Demand that a level costs no less and no more than this."""
        self._highs.changeRowBounds(self._appointments + level, least, most)

    def restrict(self, alive: Flags) -> None:
        """Let only these columns be used from now on; raises ValueError for columns that load cuts weren't made for."""
        if self._cuts and (alive & ~self._bound).any():
            raise ValueError("load cuts hold among the columns alive when they were made only")
        self.alive = alive
        upper = np.where(alive[self._inside], highspy.kHighsInf, 0.0)
        index = (self._deviations + np.arange(len(self._inside))).astype(np.int32)
        self._highs.changeColsBounds(len(index), index, np.zeros(len(index)), upper)

    def deviations(self) -> Floats:
        """Give how far each clerk with a target is from it in the last solution, in grains."""
        found = np.asarray(self._highs.getSolution().col_value)[: self._deviations]
        both: Floats = found.reshape(-1, 2).sum(axis=1)
        return both

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """Give the load cuts."""
        return tuple(cut for _, cut in self._cuts)

    def cut(self, cuts: Iterable[Cut]) -> None:
        """Demand that the deviations keep to these cuts, which are valid for the alive columns.

        From then on no others may be alive.
        """
        self._bound = self._bound & self.alive
        place = np.full(len(self.columns), -1)
        place[self._inside] = self._deviations + np.arange(len(self._inside))
        for cut in cuts:
            index = place[cut.columns]
            inside = index >= 0
            index = np.concatenate([[2 * cut.target, 2 * cut.target + 1], index[inside]]).astype(np.int32)
            value = np.concatenate([[1.0, 1.0], -cut.coefficients[inside]])
            self._highs.addRow(cut.least, inf, len(index), index, value)
            self._cuts.append((self._rows, cut))
            self._rows += 1

    def tighten(self, value: float, left: Callable[[], float]) -> float:
        """Add the load cuts that the last solution violates, and so on; give what the imbalance costs at least then."""
        for _ in range(ROUNDS):
            found = cuts(self.columns, self.alive, self.values(), self.deviations())
            if not found:
                break
            self.cut(found)
            value = self.solve(EVENLY, left())
        return value

    def basis(self) -> highspy.HighsBasis:
        """Give the last solution's basis, to go on from there later."""
        return self._highs.getBasis()

    def return_to(self, basis: highspy.HighsBasis) -> None:
        """Begin the next `solve` at this basis; columns that were added since are none of it."""
        columns = self._deviations + len(self._inside) - len(basis.col_status)
        if columns:
            basis.col_status = [*basis.col_status, *[highspy.HighsBasisStatus.kLower] * columns]
        rows = self._rows - len(basis.row_status)
        if rows:
            basis.row_status = [*basis.row_status, *[highspy.HighsBasisStatus.kBasic] * rows]
        self._highs.setBasis(basis)

    def values(self) -> Floats:
        """Give each column's value in the last solution."""
        found = np.zeros(len(self.columns))
        found[self._inside] = np.asarray(self._highs.getSolution().col_value)[self._deviations :]
        return found

    def _begin(self, chosen: Ints, keys: Ints) -> None:
        """Pass the program of these columns to the solver, with rows for the grains at which they start and at these keys."""
        lower = np.full(self._rows, -inf)
        upper = np.full(self._rows, inf)
        lower[: self._appointments] = upper[: self._appointments] = 1.0
        rows = []
        for clerk, target in self._targets:
            row = self._load_row[clerk]
            lower[row] = upper[row] = float(target or 0)
            rows += [row, row]
        keys = np.unique(np.concatenate([keys, self._key(chosen)]))
        keys = keys[keys >= 0]
        self._grain_row.ravel()[keys] = self._rows + np.arange(len(keys))
        self._rows += len(keys)
        begins, index, values = self._entries(chosen)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = self._deviations + len(chosen), self._rows
        lp.col_cost_ = np.zeros(lp.num_col_)
        lp.col_lower_ = np.zeros(lp.num_col_)
        lp.col_upper_ = np.full(lp.num_col_, inf)
        lp.row_lower_ = np.concatenate([lower, np.full(len(keys), -inf)])
        lp.row_upper_ = np.concatenate([upper, np.ones(len(keys))])
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        begins = np.append(begins, len(index)) + len(rows)
        lp.a_matrix_.start_ = np.concatenate([np.arange(self._deviations), begins])
        lp.a_matrix_.index_ = np.concatenate([np.array(rows, dtype=np.int64), index])
        lp.a_matrix_.value_ = np.concatenate([np.tile([1.0, -1.0], len(self._targets)), values])
        self._highs.setOptionValue("presolve", "off" if len(chosen) < SMALL else "choose")
        self._highs.passModel(lp)
        self._inside = chosen
        self._outside[chosen] = False

    def _price(self, cost: Floats) -> None:
        """Compute all columns' reduced costs: own cost less the duals of the rows that a column is in."""
        columns = self.columns
        dual = np.append(np.asarray(self._highs.getSolution().row_dual), 0.0)
        grain = np.zeros((self._grain_row.shape[0] + 1, self._grain_row.shape[1] + 1))
        np.cumsum(dual[self._grain_row], axis=1, out=grain[:-1, 1:])
        levels = dual[self._appointments : self._appointments + IMBALANCE]
        self.reduced = (
            cost
            - dual[columns.appointment]
            - (grain[columns.slot, columns.start + columns.length] - grain[columns.slot, columns.start])
            - levels @ columns.cost
            - columns.work * dual[self._load_row[columns.clerk]]
        )
        for row, cut in self._cuts:
            if dual[row]:
                self.reduced[cut.columns] += dual[row] * cut.coefficients

    def _wanted(self) -> Ints:
        """Give, for each appointment, its few cheapest columns that would improve the solution."""
        wanted = np.flatnonzero(self.alive & self._outside & (self.reduced < -EPSILON))
        order = np.lexsort((self.reduced[wanted], self.columns.appointment[wanted]))
        wanted = wanted[order]
        owner = self.columns.appointment[wanted]
        rank = np.arange(len(wanted)) - np.searchsorted(owner, owner)
        chosen: Ints = wanted[rank < BEST]
        return chosen

    def _key(self, chosen: Ints) -> Ints:
        """Give each column's place in the table of rows for where it starts; negative for cancellations."""
        slot = self.columns.slot[chosen]
        return np.where(slot < 0, -1, slot * self._grain_row.shape[1] + self.columns.start[chosen])

    def _entries(self, chosen: Ints) -> tuple[Ints, Ints, Floats]:
        """Give the matrix entries of columns: where each begins, the rows, the values."""
        columns = self.columns
        count = len(chosen)
        index = np.arange(count)
        length = columns.length[chosen]
        owner = np.repeat(index, length)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length)
        grain = self._grain_row[columns.slot[chosen][owner], columns.start[chosen][owner] + offset]
        owner, grain = owner[grain >= 0], grain[grain >= 0]
        loaded = np.flatnonzero((columns.work[chosen] > 0) & (self._load_row[columns.clerk[chosen]] >= 0))
        costing = [np.flatnonzero(columns.cost[row, chosen]) for row in range(IMBALANCE)]
        owners = np.concatenate([index, owner, loaded, *costing])
        rows = np.concatenate(
            [
                columns.appointment[chosen],
                grain,
                self._load_row[columns.clerk[chosen][loaded]],
                *(np.full(len(which), self._appointments + row) for row, which in enumerate(costing)),
            ]
        )
        values = np.concatenate(
            [
                np.ones(count + len(owner)),
                columns.work[chosen][loaded].astype(np.float64),
                *(columns.cost[row, chosen[which]].astype(np.float64) for row, which in enumerate(costing)),
            ]
        )
        order = np.argsort(owners, kind="stable")
        return np.searchsorted(owners[order], index), rows[order], values[order]

    def _add(self, chosen: Ints, cost: Floats) -> None:
        self._add_grain_rows(chosen)
        count = len(chosen)
        begins, rows, values = self._entries(chosen)
        self._highs.addCols(
            count,
            cost[chosen],
            np.zeros(count),
            np.full(count, highspy.kHighsInf),
            len(rows),
            begins.astype(np.int32),
            rows.astype(np.int32),
            values,
        )
        self._outside[chosen] = False
        self._inside = np.concatenate([self._inside, chosen])

    def _add_grain_rows(self, chosen: Ints) -> None:
        """Add the rows for grains at which a column starts for the first time, over the columns already there."""
        keys = np.unique(self._key(chosen))
        keys = keys[keys >= 0]
        keys = keys[self._grain_row.ravel()[keys] < 0]
        if not len(keys):
            return
        columns, inside = self.columns, self._inside
        begin = self._key(inside)
        first = np.searchsorted(keys, begin)
        # The slot's end bounds the period, so no column reaches into the next slot's keys.
        last = np.where(begin < 0, first, np.searchsorted(keys, begin + columns.length[inside]))
        count = last - first
        owner = np.repeat(np.arange(len(inside)), count)
        which = first[owner] + np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        order = np.argsort(which, kind="stable")
        begins = np.searchsorted(which[order], np.arange(len(keys)))
        self._grain_row.ravel()[keys] = self._rows + np.arange(len(keys))
        self._rows += len(keys)
        self._highs.addRows(
            len(keys),
            np.full(len(keys), -highspy.kHighsInf),
            np.ones(len(keys)),
            len(owner),
            begins.astype(np.int32),
            (self._deviations + owner[order]).astype(np.int32),
            np.ones(len(owner)),
        )
