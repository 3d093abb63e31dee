"""Solvers in a process of their own, so that whoever asks them neither hangs nor loads them (decision 0100).

A native loop can't be interrupted from within, and presolve of HiGHS was seen to loop past its time limit. So the
question goes to a child process over a pipe, as plain dataclasses. The child ends when the time and a grace
are over: the one who asked kills it, and a timer of its own does if that one is gone. Then a second child gets the question
without any time, and answers with the plan that needs no solver; so does the first one if the solver can't be loaded. It gives way to
everything else on the machine.

Run as a module, this is the child.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.office import Office
    from optimizer.solution import Solution
    from optimizer.workload import Colleague, Curve, Task

GRACE = 10.0
"""Seconds that a child gets beyond those of the search, for its start, the model and a plan without solver."""


class NoAnswerError(Exception):
    """Neither the solver nor the way without it answered in time."""


def repair(office: Office, *, seconds: float, seed: int = 1, grace: float = GRACE) -> Solution:
    """Answer as `optimizer.repair.repair` does, after `seconds` and two times `grace` at most.

    Raises NoAnswerError, also where the day has no plan at all.
    """
    found: Solution = _ask("repair", (office,), {"seconds": seconds, "seed": seed}, {"seconds": 0.0}, grace)
    return found


def balance(
    colleagues: Sequence[Colleague],
    tasks: Sequence[Task],
    grains_a_day: int,
    *,
    points: int,
    changes: int | None = None,
    seconds: float,
    seed: int = 1,
    grace: float = GRACE,
) -> Curve:
    """Answer as `optimizer.balance.balance` does; with the present alone where the solver hangs. Raises NoAnswerError."""
    question = (tuple(colleagues), tuple(tasks), grains_a_day)
    named = {"points": points, "changes": changes, "seconds": seconds, "seed": seed}
    found: Curve = _ask("balance", question, named, {"points": 0}, grace)
    return found


def _ask(
    name: str, values: tuple[Any, ...], named: dict[str, Any], instead: dict[str, Any], grace: float
) -> Any:
    """Ask a child; if it doesn't answer, ask another one with some arguments replaced."""
    reasons = []
    for limit, arguments in ((named["seconds"] + grace, named), (grace, named | instead)):
        question = pickle.dumps((name, limit, values, arguments))
        command = [sys.executable, "-m", "optimizer.aside"]
        try:
            # The answer comes from our own code, so unpickling it is safe.
            done = subprocess.run(command, input=question, capture_output=True, timeout=limit, check=True)  # noqa: S603
            return pickle.loads(done.stdout)  # noqa: S301
        except subprocess.TimeoutExpired:
            reasons.append(f"no answer within {limit:.0f} s")
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip().splitlines()
            reasons.append(said[-1] if said else f"exit status {error.returncode}")
    raise NoAnswerError("; ".join(reasons))


def main() -> int:
    """Read a question from standard input and write the answer to standard output."""
    answers = os.dup(1)
    # Whatever a library prints must not get into the answer.
    os.dup2(2, 1)
    os.nice(10)
    name, limit, values, named = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - our own parent's question
    signal.setitimer(signal.ITIMER_REAL, limit)
    if name == "repair":
        try:
            from optimizer.repair import repair as solve  # noqa: PLC0415 - solvers are loaded in the child only
        except ImportError:
            from optimizer.greedy import repair as solve  # noqa: PLC0415 - likewise
    else:
        from optimizer.balance import balance as solve  # type: ignore[assignment]  # noqa: PLC0415 - likewise
    with os.fdopen(answers, "wb") as pipe:
        pickle.dump(solve(*values, **named), pipe)
    return 0


if __name__ == "__main__":
    sys.exit(main())
