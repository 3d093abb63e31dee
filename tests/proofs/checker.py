"""Judges a history: was there any moment at which a promise didn't hold?

The change log tells in which order writes took effect, the history what was asked and heard. Each client works on uids of its own, one
operation after another, and leaves a uid alone once an operation on it went unanswered; so the changes of a uid are its operations in their
order, of which only the last may be missing unheard. From that the calendars are rebuilt write by write, and held against:

- overlap: two bookings of a clerk at once, after any write, or in any answer that a client saw;
- misplaced: the dispatch gave a booking to a clerk who can't do it or isn't there;
- lost: acknowledged, and not in the log, or not in the calendars at the end;
- phantom: in the log or the calendars, though nobody asked for it, or it was refused;
- order: a write took effect before one that had been answered when it was asked for;
- refused: a refusal for which there was no reason at any moment between question and answer;
- read: an answer that was true at no moment between question and answer;
- error: the server failed (5xx other than 503).

Order, refused and read together say that the office is strictly serialisable, as far as its clients can tell.
"""

from __future__ import annotations

import bisect
import math
from collections import defaultdict, deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.proofs.history import Kind, Operation, Placed, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from calendar_server.storage.changes import Change

_READS = {Kind.READ, Kind.LIST}
_DELETES = {Kind.CANCEL, Kind.UNBLOCK}
_STORED_AS = {Kind.HOLD: "hold", Kind.BLOCK: "event"}
_FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Violation:
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


@dataclass(slots=True, eq=False)
class Life:
    """A booking or own event as it lay with one clerk from the write `born` until the write `died`."""

    uid: str
    clerk: str
    start: int
    end: int
    kind: str
    service: str
    hold_until: int
    born: int
    died: int = _FOREVER

    def at(self, seq: int) -> bool:
        return self.born <= seq < self.died

    def meets(self, start: int, end: int) -> bool:
        return self.start < end and start < self.end

    @property
    def is_booking(self) -> bool:
        return self.kind != "event"


@dataclass
class _Timeline:
    lives: list[Life] = field(default_factory=list)
    of_uid: dict[str, list[Life]] = field(default_factory=lambda: defaultdict(list))
    now: dict[str, Life] = field(default_factory=dict)
    applied: list[tuple[Operation, int]] = field(default_factory=list)

    def end(self, uid: str, seq: int) -> None:
        self.now.pop(uid).died = seq

    def begin(self, life: Life) -> None:
        if life.uid in self.now:
            self.end(life.uid, life.born)
        self.now[life.uid] = life
        self.lives.append(life)
        self.of_uid[life.uid].append(life)


class _Windows:
    """Which writes an answer can have been true after: from those answered before it was asked for, to those asked for before it was answered."""

    def __init__(self, applied: list[tuple[Operation, int]]) -> None:
        by_answer = sorted((operation.answered, seq) for operation, seq in applied)
        by_question = sorted((operation.invoked, seq) for operation, seq in applied)
        self._answered = [moment for moment, _ in by_answer]
        self._invoked = [moment for moment, _ in by_question]
        self._lows = _running(max, [seq for _, seq in by_answer])
        self._highs = _running(min, [seq for _, seq in reversed(by_question)])[::-1]

    def of(self, operation: Operation) -> tuple[int, int]:
        before = bisect.bisect_left(self._answered, operation.invoked)
        after = bisect.bisect_right(self._invoked, operation.answered)
        low = self._lows[before - 1] if before else 0
        return low, self._highs[after] - 1 if after < len(self._highs) else _FOREVER - 1


class Checker:
    """`skills` is what each clerk can do; `epoch_at_zero` the server's clock when the monotonic clock showed 0."""

    def __init__(
        self,
        operations: Iterable[Operation],
        changes: Sequence[Change],
        final: Iterable[Placed],
        skills: Mapping[str, frozenset[str]],
        epoch_at_zero: float,
    ) -> None:
        self.operations = sorted(operations, key=lambda operation: operation.invoked)
        self.changes = changes
        self.final = list(final)
        self.skills = skills
        self.epoch_at_zero = epoch_at_zero
        self.found: list[Violation] = []
        self.time = _Timeline()

    def check(self) -> list[Violation]:
        """Return everything that is wrong, in the order in which it was found."""
        self._rebuild()
        self._order()
        self._final()
        self._answers()
        return self.found

    def _add(self, rule: str, text: object) -> None:
        self.found.append(Violation(rule, str(text)))

    # What happened, write by write -----------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        waiting: dict[str, deque[Operation]] = defaultdict(deque)
        for operation in self.operations:
            if operation.kind not in _READS and operation.result in {Result.DONE, Result.UNKNOWN}:
                waiting[operation.uid].append(operation)
        writes: dict[int, list[Change]] = defaultdict(list)
        for change in self.changes:
            if change.kind in {"appointment", "hold", "event"}:
                writes[change.seq].append(change)
        for seq in sorted(writes):
            for change in writes[seq]:
                # A write logs what it moves out of the way first, and what was asked for last.
                self._apply(change, waiting[change.uid], asked=change is writes[seq][-1])
            self._overlaps(seq, {change.uid for change in writes[seq]})
        for queue in waiting.values():
            for operation in queue:
                if operation.result is Result.DONE:
                    self._add("lost", f"not in the change log: {operation}")

    def _apply(self, change: Change, waiting: deque[Operation], *, asked: bool) -> None:
        life = self.time.now.get(change.uid)
        if change.action == "deleted" and life is not None and life.kind == "hold":
            if life.hold_until > change.at.timestamp():
                self._add("lost", f"a hold was released before its time: {change}")
            self.time.end(change.uid, change.seq)
            return
        operation = _take(waiting, change) if asked else None
        if operation is not None:
            self._take_effect(operation, change, life)
            return
        reassigned = not asked and change.action == "stored" and life is not None and life.is_booking
        if not reassigned:
            self._add("phantom", f"a change that nobody asked for: {change}")
        if change.action == "deleted":
            if life is not None:
                self.time.end(change.uid, change.seq)
        elif life is not None:
            moved = Life(
                life.uid,
                change.clerk,
                life.start,
                life.end,
                change.kind,
                life.service,
                life.hold_until,
                change.seq,
            )
            self.time.begin(moved)
            self._well_placed(moved)

    def _take_effect(self, operation: Operation, change: Change, life: Life | None) -> None:
        self.time.applied.append((operation, change.seq))
        if operation.kind in _DELETES:
            if life is None:
                self._add("phantom", f"deleted what wasn't there: {operation}")
            else:
                self.time.end(change.uid, change.seq)
            return
        service = operation.service or (life.service if life is not None else "")
        new = Life(
            change.uid,
            change.clerk,
            operation.start,
            operation.end,
            change.kind,
            service,
            operation.hold_until if change.kind == "hold" else 0,
            change.seq,
        )
        self.time.begin(new)
        if not operation.clerk and operation.kind in {Kind.BOOK, Kind.HOLD, Kind.SHIFT}:
            self._well_placed(new)

    def _well_placed(self, life: Life) -> None:
        if life.service not in self.skills.get(life.clerk, frozenset()):
            self._add("misplaced", f"{life.clerk} can't do {life.service}: {life}")
        for other in self.time.now.values():
            if (
                other.clerk == life.clerk
                and not other.is_booking
                and other.meets(life.start, life.end)
                and life.born > other.born
            ):
                self._add("misplaced", f"{life.clerk} isn't there: {life}, {other}")

    def _overlaps(self, seq: int, uids: set[str]) -> None:
        for uid in sorted(uids):
            life = self.time.now.get(uid)
            if life is None or not life.is_booking:
                continue
            for other in self.time.now.values():
                if (
                    other is not life
                    and other.clerk == life.clerk
                    and other.is_booking
                    and other.meets(life.start, life.end)
                ):
                    self._add("overlap", f"after write {seq}: {life}, {other}")

    # Before and after ------------------------------------------------------------------------------------------------

    def _order(self) -> None:
        earliest, first = math.inf, None
        for operation, seq in sorted(self.time.applied, key=lambda pair: -pair[1]):
            if earliest < operation.invoked:
                self._add("order", f"write {seq} came before what had been answered: {operation}, {first}")
            if operation.answered < earliest:
                earliest, first = operation.answered, operation

    def _final(self) -> None:
        expected = {(life.uid, life.clerk, life.start, life.end) for life in self.time.now.values()}
        present = {(placed.uid, placed.clerk, placed.start, placed.end) for placed in self.final}
        for missing in sorted(expected - present):
            self._add("lost", f"not in the calendars at the end: {missing}")
        for extra in sorted(present - expected):
            self._add("phantom", f"in the calendars at the end: {extra}")
        bookings = sorted(
            (placed.clerk, placed.start, placed.end, placed.uid)
            for placed in self.final
            if placed.kind != "event"
        )
        for left, right in pairwise(bookings):
            if left[0] == right[0] and right[1] < left[2]:
                self._add("overlap", f"at the end: {left}, {right}")

    # What clients heard ----------------------------------------------------------------------------------------------

    def _answers(self) -> None:
        windows = _Windows(self.time.applied)
        by_start: dict[int, list[Life]] = defaultdict(list)
        by_clerk: dict[str, list[Life]] = defaultdict(list)
        for life in self.time.lives:
            by_start[life.start].append(life)
            by_clerk[life.clerk].append(life)
        for operation in self.operations:
            if operation.result is Result.UNKNOWN:
                if operation.rule not in {"", "503"}:
                    self._add("error", operation)
                continue
            window = windows.of(operation)
            of_uid = self.time.of_uid[operation.uid]
            match operation.kind, operation.result:
                case Kind.READ, _:
                    self._seen(operation, of_uid, window)
                case Kind.LIST, _:
                    self._seen(operation, by_clerk[operation.clerk], window)
                case _, Result.REFUSED:
                    self._refused(operation, by_start[operation.start], window)
                case _, Result.MISSING | Result.STALE:
                    if not _ever(window, of_uid, lambda seq: _not_there(operation, of_uid, seq)):  # noqa: B023 - used at once
                        self._add("refused", f"it was there: {operation}")

    def _refused(self, operation: Operation, here: list[Life], window: tuple[int, int]) -> None:
        if not _ever(window, here, lambda seq: self._reason(operation, here, seq)):
            self._add("refused", f"without reason: {operation}")

    def _seen(self, operation: Operation, lives: list[Life], window: tuple[int, int]) -> None:
        ordered = sorted(operation.seen, key=lambda entry: entry[1])
        for left, right in pairwise(ordered):
            if operation.kind is Kind.LIST and right[1] < left[2]:
                self._add("overlap", f"seen by a client: {left}, {right} in {operation}")
        lives = [life for life in lives if life.is_booking]
        seen = set(operation.seen)
        if not _ever(
            window,
            lives,
            lambda seq: {(life.uid, life.start, life.end) for life in lives if life.at(seq)} == seen,
        ):
            self._add("read", f"true at no moment (writes {window}): {operation} {sorted(seen)}")

    def _reason(self, operation: Operation, here: list[Life], seq: int) -> bool:
        asked_at = operation.invoked + self.epoch_at_zero
        others = [
            life
            for life in here
            if life.at(seq)
            and life.uid != operation.uid
            and life.meets(operation.start, operation.end)
            # A hold whose time is over is in nobody's way; the server counts whole seconds.
            and (life.kind != "hold" or life.hold_until + 1 >= asked_at)
        ]
        if operation.rule == "time-taken":
            return any(life.is_booking and life.clerk == operation.clerk for life in others)
        if operation.rule == "no-free-clerk" and not operation.clerk:
            return not self._room(operation.service, others)
        return False

    def _room(self, service: str, others: list[Life]) -> bool:
        """Tell whether a clerk can take it, perhaps after others changed clerks at their same time (a matching, by augmenting paths)."""
        away = {life.clerk for life in others if not life.is_booking}
        holding = {life.clerk: life for life in others if life.is_booking}
        tried: set[str] = set()

        def place(wanted: str) -> bool:
            for clerk, skills in self.skills.items():
                if wanted not in skills or clerk in away or clerk in tried:
                    continue
                tried.add(clerk)
                if clerk not in holding or place(holding[clerk].service):
                    return True
            return False

        return place(service)


def _take(waiting: deque[Operation], change: Change) -> Operation | None:
    """Return the operation that this change is, passing over what went unanswered and didn't happen."""
    for index, operation in enumerate(waiting):
        if _fits(operation, change):
            for _ in range(index + 1):
                waiting.popleft()
            return operation
        if operation.result is not Result.UNKNOWN:
            return None
    return None


def _fits(operation: Operation, change: Change) -> bool:
    if operation.kind in _DELETES:
        return change.action == "deleted"
    return (
        change.action == "stored"
        and change.kind == _STORED_AS.get(operation.kind, "appointment")
        and operation.clerk in {"", change.clerk}
    )


def _not_there(operation: Operation, lives: list[Life], seq: int) -> bool:
    return not any(life.at(seq) and operation.origin in {"", life.clerk} for life in lives)


def _ever(window: tuple[int, int], lives: list[Life], holds: Callable[[int], bool]) -> bool:
    """Tell whether something holds after any write of a window, when only these lives matter to it."""
    low, high = window
    moments = {low, *(life.born for life in lives), *(life.died for life in lives)}
    return any(holds(seq) for seq in sorted(moments) if low <= seq <= high)


def _running(best: Callable[[int, int], int], values: list[int]) -> list[int]:
    result: list[int] = []
    for value in values:
        result.append(best(result[-1], value) if result else value)
    return result
