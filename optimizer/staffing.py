"""Fixed tasks for a fixed number of persons: prices on tasks, followed by a dive, and ejections for the rest.

Lagrangean relaxation as in Krishnamoorthy, Ernst and Baatar 2012: when each task has a price, every person's best chain
of tasks is a longest path, found exactly, and only "each task once" is left to the prices. They rise where a task stays
open and fall where several want it. The running mean of the answers comes close to a fractional plan of the
linear relaxation (volume algorithm, Barahona and Anbil 2000), at a few milliseconds a step without any
linear program. The dive then gives the clearest tasks to their persons, goes on with the prices of the others, and so on.

Persons who could all do the same answer alike, and the mean then takes long to settle; a little taste of each person for
each task, drawn at random, tells them apart.

What is left open is tried by a tabu search with ejections (the partial colouring of Blöchliger and Zufferey 2008,
with a list of colours for each interval and weights that grow on what is ejected).
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

OPEN = -1
"""The person of a task that nobody has."""
NEVER = 1e9
"""A cost beyond any price."""
CERTAIN = 1e-6
"""By how much of their sum prices must exceed what persons can earn, before that counts as a proof."""
MANY = 600
"""Number of tasks beyond which prices change in smaller steps."""
HELD = 30
"""Steps for which a person who was sent away from a place isn't called again, at least."""
CALLING = 0.5
"""By how much calling another person must be better than any ejection."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a dive goes.

    `first` steps come before it, `steps` after each fixing, `size` is how much a price changes (before the dive times
    `decay` from step to step); a `part` of the open
    tasks is fixed at once, and all those whose running mean is at least `sure`. The mean price is 1 at first, and a
    person's taste adds up to `taste` to it.
    """

    first: int = 80
    steps: int = 5
    size: float = 0.02
    part: float = 0.05
    taste: float = 0.0
    sure: float = 0.95
    decay: float = 1.0


class Prices:
    """Tasks with prices, for at most `limit` persons; rows are the open tasks in the order of their ends.

    `periods` are half-open, `able` is (tasks, persons). The same seed gives the same result.
    """

    def __init__(
        self,
        periods: Sequence[tuple[int, int]],
        able: Flags,
        limit: int,
        seed: int,
        pace: Pace,
        busy: Flags | None = None,
    ) -> None:
        """`busy` persons work anyway and count towards the limit."""
        self.pace = pace
        # Many tasks share many persons' answers, and settle only with smaller changes.
        self._size = pace.size * min(1.0, float(np.sqrt(MANY / max(1, len(periods)))))
        start = np.array([period[0] for period in periods], dtype=np.int64)
        end = np.array([period[1] for period in periods], dtype=np.int64)
        self.limit = limit
        self.task: Ints = np.lexsort((start, end))
        self.start, self.end = start[self.task], end[self.task]
        self.able: Flags = able[self.task]
        length: Floats = np.sqrt(self.end - self.start)
        chance = np.random.default_rng(seed)
        self.price: Floats = length / max(1.0, float(length.mean())) if len(length) else length
        self.price = self.price * np.exp(0.1 * chance.standard_normal(len(length)))
        self._taste: Floats = pace.taste * chance.random(able.shape)
        self.share: Floats = self.able / np.maximum(1, self.able.sum(axis=1))[:, None]
        self.taker = [OPEN] * len(periods)
        self.busy: Flags = np.zeros(able.shape[1], dtype=bool) if busy is None else busy
        self.lost = 0
        self._age = 0
        self._layout()

    def _layout(self) -> None:
        count, persons = self.able.shape
        self._before: Ints = np.searchsorted(self.end, self.start, side="right")
        self._worth: Floats = np.where(self.able, self._taste, -NEVER)
        self._earned: Floats = np.zeros((count + 1, persons))
        # Tasks of one block all begin before the first of them has ended, so a person takes one of them at most.
        self._blocks: list[tuple[int, int, Ints]] = []
        before = self._before.tolist()
        first = 0
        while first < count:
            last = first + 1
            while last < count and before[last] <= first:
                last += 1
            self._blocks.append((first, last, self._before[first:last]))
            first = last

    def answer(self) -> tuple[Ints, Ints]:
        """Give the best chains at these prices, as rows and persons."""
        earned, count = self._earned, len(self.task)
        value = self.price[:, None] + self._worth
        for first, last, before in self._blocks:
            block = earned[before]
            block += value[first:last]
            np.maximum(block[0], earned[first], out=block[0])
            np.maximum.accumulate(block, axis=0, out=earned[first + 1 : last + 1])
        rises = np.where(earned[1:] > earned[:-1], np.arange(count)[:, None], -1)
        latest = np.maximum.accumulate(rises, axis=0)
        worth = earned[count]
        persons = np.arange(len(worth))
        if self.limit < len(worth):
            persons = np.argpartition(-(worth + NEVER * self.busy), self.limit - 1)[: self.limit]
        rows: list[Ints] = []
        takers: list[Ints] = []
        place = np.full(len(persons), count)
        while len(persons):
            row = latest[place - 1, persons]
            found = row >= 0
            row, persons = row[found], persons[found]
            rows.append(row)
            takers.append(persons)
            place = self._before[row]
            persons, place = persons[place > 0], place[place > 0]
        return np.concatenate(rows), np.concatenate(takers)

    def settle(self, out_of_time: Callable[[], bool] | None = None, *, rising: bool = False) -> int:
        """Let the prices settle before a dive, and give the fewest persons that they don't rule out.

        If that is more than the limit, no plan keeps it. It ends there, or goes on with the limit raised.
        """
        size = self._size
        for _ in range(self.pace.first if len(self.task) else 0):
            if out_of_time is not None and out_of_time():
                break
            asked = float(self.price.sum())
            self._iterate(1, 1 / 100)
            least = self._paying(asked)
            if least > self.limit:
                if not rising:
                    return least
                self.limit = least
            self._size *= self.pace.decay
        self._size = size
        return self.limit

    def _paying(self, asked: float) -> int:
        """Give how many persons can pay so much together at the last answer's prices; one more than there are if all can't."""
        # A plan would have everybody paid at most what her best chain earns; tastes only make that more.
        paid = np.cumsum(np.sort(self._earned[len(self.task)])[::-1])
        return int(np.searchsorted(paid, asked - CERTAIN * asked - CERTAIN)) + 1

    def _iterate(self, steps: int, memory: float) -> None:
        """Change the prices some times; `memory` is the weight of one answer in the running mean."""
        for _ in range(steps if len(self.task) else 0):
            row, person = self.answer()
            weight = max(memory, 1 / (self._age + 1))
            self._age += 1
            self.share *= 1 - weight
            self.share[row, person] += weight
            wanted = np.bincount(row, minlength=len(self.task))
            self.price = np.maximum(0.0, self.price + self._size * (1 - wanted))

    def dive(self, out_of_time: Callable[[], bool]) -> None:
        """Give all tasks to persons, the clearest first; `lost` counts those that end up with nobody."""
        while len(self.task) and not out_of_time():
            self._fix()
            self._iterate(self.pace.steps, 1 / self.pace.steps)
        self.lost += len(self.task)

    def _fix(self) -> None:
        best, who = self.share.max(axis=1), self.share.argmax(axis=1)
        quota = max(1, int(self.pace.part * len(self.task)))
        fixed: Flags = np.zeros(len(self.task), dtype=bool)
        for row in np.argsort(-best, kind="stable").tolist():
            if quota <= 0 and best[row] < self.pace.sure:
                break
            person = int(who[row])
            if not self.able[row, person]:
                continue
            quota -= 1
            fixed[row] = True
            self.taker[int(self.task[row])] = person
            self.able[(self.start < self.end[row]) & (self.end > self.start[row]), person] = False
            if not self.busy[person]:
                self.busy[person] = True
                if self.busy.sum() >= self.limit:
                    self.able[:, ~self.busy] = False
        open_still = ~fixed
        possible = self.able.any(axis=1)
        self.lost += int((open_still & ~possible).sum())
        keep = open_still & possible
        self.task, self.start, self.end = self.task[keep], self.start[keep], self.end[keep]
        self.able, self.price, self._taste = self.able[keep], self.price[keep], self._taste[keep]
        self.share = self.share[keep] * self.able
        self._layout()


def again(
    periods: Sequence[tuple[int, int]],
    able: Flags,
    taker: Sequence[int],
    part: Sequence[int],
    limit: int,
    *,
    seed: int,
    pace: Pace,
    out_of_time: Callable[[], bool],
) -> list[int]:
    """Dive once more for a part of the tasks; the others stay where they are."""
    start = np.array([periods[task][0] for task in part], dtype=np.int64)
    end = np.array([periods[task][1] for task in part], dtype=np.int64)
    possible: Flags = able[part]
    busy: Flags = np.zeros(able.shape[1], dtype=bool)
    found = list(taker)
    for task in part:
        found[task] = OPEN
    for task, person in enumerate(found):
        if person != OPEN:
            busy[person] = True
            possible[(start < periods[task][1]) & (end > periods[task][0]), person] = False
    if busy.sum() >= limit:
        possible[:, ~busy] = False
    rows, persons = np.flatnonzero(possible.any(axis=1)), np.flatnonzero(possible.any(axis=0))
    if len(rows):
        left = limit - int(busy.sum()) + int(busy[persons].sum())
        tasks = [part[row] for row in rows.tolist()]
        prices = Prices(
            [periods[task] for task in tasks],
            possible[np.ix_(rows, persons)],
            left,
            seed,
            pace,
            busy[persons],
        )
        prices.settle(out_of_time)
        prices.dive(out_of_time)
        for task, place in zip(tasks, prices.taker, strict=True):
            found[task] = OPEN if place == OPEN else int(persons[place])
    return found


class Ejections:
    """A tabu search over plans in which some tasks are open: putting one in ejects what it overlaps.

    `taker` has each task's person or `OPEN`. At most `limit` persons work, each in a place of her own; another one may be called
    into a place, and what she can't do of it is ejected too.
    """

    def __init__(
        self, periods: Sequence[tuple[int, int]], able: Flags, taker: Sequence[int], limit: int, seed: int
    ) -> None:
        self.periods = periods
        self.able = able
        working = sorted(set(taker) - {OPEN})
        others = [person for person in range(able.shape[1]) if person not in working]
        spare = max(0, limit - len(working))
        self.persons, self.others = working + others[:spare], others[spare:]
        # Not for secrets: the seed makes runs repeatable.
        self.random = random.Random(seed)  # noqa: S311
        self.noise = np.random.default_rng(seed)
        start = np.array([period[0] for period in periods], dtype=np.int64)
        end = np.array([period[1] for period in periods], dtype=np.int64)
        self._overlapping = [
            np.flatnonzero((start < end[task]) & (end > start[task])) for task in range(len(periods))
        ]
        self._weight: Floats = np.ones(len(periods))
        self._never: Floats = np.where(able[:, self.persons], 0.0, NEVER)
        self._unable: Flags = ~able[:, self.others]
        self._until: Ints = np.zeros((len(periods), len(self.persons)), dtype=np.int64)
        self._called: Ints = np.zeros(len(self.others), dtype=np.int64)
        # The weights of what a task would eject from each place, and of what another person can't do there.
        self._conflict: Floats = np.zeros((len(periods), len(self.persons)))
        self._lack: Floats = np.zeros((len(self.others), len(self.persons)))
        self._has: list[set[int]] = [set() for _ in self.persons]
        self._place = [OPEN] * len(periods)
        number = {person: place for place, person in enumerate(self.persons)}
        for task, person in enumerate(taker):
            if person != OPEN:
                self._put(task, number[person])

    def run(self, steps: int, out_of_time: Callable[[], bool]) -> list[int]:
        """Try so many steps; give the plan with the fewest open tasks that was met."""
        waiting = [task for task, place in enumerate(self._place) if place == OPEN]
        best, fewest = self._plan(), len(waiting)
        for step in range(steps if self.persons else 0):
            if not waiting or (step % 256 == 0 and out_of_time()):
                break
            tasks = np.array(waiting)
            score = self._conflict[tasks] + self._never[tasks] - self._weight[tasks][:, None]
            score += 1e5 * (self._until[tasks] > step)
            score += 0.02 * self.noise.random(score.shape)
            which, place = divmod(int(score.argmin()), len(self.persons))
            ejected: list[int] = []
            call = self._call(waiting, step, float(score[which, place]))
            if call is not None:
                which, other, place = call
                ejected += self._replace(place, other)
                self._called[other] = step + HELD + self.random.randrange(HELD)
            task = waiting[which]
            if self._never[task, place]:
                break
            start, end = self.periods[task]
            ejected += sorted(
                other
                for other in self._has[place]
                if self.periods[other][0] < end and self.periods[other][1] > start
            )
            for other in ejected:
                if self._place[other] != OPEN:
                    self._drop(other)
                self._until[other, place] = step + 10 + len(waiting) // 2 + self.random.randrange(10)
                self._weight[other] += 0.1
            self._put(task, place)
            waiting[which] = waiting[-1]
            waiting.pop()
            waiting += ejected
            if len(waiting) < fewest:
                best, fewest = self._plan(), len(waiting)
        return best

    def _call(self, waiting: list[int], step: int, score: float) -> tuple[int, int, int] | None:
        """Give a waiting task's number, another person who can do it, and a place, if that is better than `score`."""
        if not self.others:
            return None
        which = self.random.randrange(len(waiting))
        task = waiting[which]
        others = np.flatnonzero(~self._unable[task] & (self._called <= step))
        if not len(others):
            return None
        scores = self._lack[others] + self._conflict[task] - self._weight[task]
        scores += 0.02 * self.noise.random(scores.shape)
        row, place = divmod(int(scores.argmin()), len(self.persons))
        return (which, int(others[row]), place) if scores[row, place] + CALLING < score else None

    def _replace(self, place: int, other: int) -> list[int]:
        """Call another person into a place; give the tasks that she can't do."""
        old, new = self.persons[place], self.others[other]
        left = [task for task in sorted(self._has[place]) if self._unable[task, other]]
        for task in left:
            self._drop(task)
        self.persons[place], self.others[other] = new, old
        self._never[:, place] = np.where(self.able[:, new], 0.0, NEVER)
        self._unable[:, other] = ~self.able[:, old]
        weight = self._weight * self._unable[:, other]
        self._lack[other] = [float(weight[list(tasks)].sum()) for tasks in self._has]
        return left

    def _plan(self) -> list[int]:
        return [OPEN if place == OPEN else self.persons[place] for place in self._place]

    def _put(self, task: int, place: int) -> None:
        self._place[task] = place
        self._has[place].add(task)
        self._conflict[self._overlapping[task], place] += self._weight[task]
        self._lack[self._unable[task], place] += self._weight[task]

    def _drop(self, task: int) -> None:
        place = self._place[task]
        self._place[task] = OPEN
        self._has[place].discard(task)
        self._conflict[self._overlapping[task], place] -= self._weight[task]
        self._lack[self._unable[task], place] -= self._weight[task]


def clock(seconds: float) -> Callable[[], bool]:
    """Give a function that tells whether so much time has passed."""
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() >= deadline
