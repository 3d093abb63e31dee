"""The command line: plans from instances in files, and their verification.

Exit status 0, 1 with a message on stderr for bad input or a refused solution, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer import check
from optimizer.office import office_from_json
from optimizer.solution import assignments_from_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


LONGEST = 1e6
"""Seconds for one instance; solvers take no more than a machine's integers hold."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m optimizer", description="Plans, computed and checked.")
    commands = parser.add_subparsers(dest="command", required=True)
    repairing = commands.add_parser("repair", help="plan days anew after somebody fell ill")
    repairing.add_argument("instances", nargs="+", type=Path, metavar="INSTANCE.json")
    repairing.add_argument(
        "--seconds", type=_seconds, default=60.0, help="time for each instance (default: 60)"
    )
    repairing.add_argument("--seed", type=int, default=1)
    repairing.add_argument(
        "--workers", type=int, default=1, help="threads; with more than one, plans may vary"
    )
    checking = commands.add_parser("check", help="recompute a plan's rules and costs without the solver")
    checking.add_argument("instance", type=Path, metavar="INSTANCE.json")
    checking.add_argument("solution", type=Path, metavar="SOLUTION.json")
    staffing = commands.add_parser(
        "smptsp", help="fewest persons for fixed tasks, in the published text format"
    )
    staffing.add_argument("files", nargs="+", type=Path, metavar="FILE")
    staffing.add_argument("--seconds", type=_seconds, default=60.0, help="time for each file (default: 60)")
    staffing.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    try:
        run = {"repair": _repair, "check": _check, "smptsp": _smptsp}[chosen.command]
        return run(chosen)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _seconds(text: str) -> float:
    """Read a time to search."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and {LONGEST:g} seconds")
    return found


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Name the file in whatever is wrong with it (ValueError)."""
    try:
        yield
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("not JSON that can be read: it is nested too deeply") from error
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - input, not a wrong call
    return data


def _print(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _repair(chosen: argparse.Namespace) -> int:
    from optimizer.repair import InfeasibleError, repair  # noqa: PLC0415 - loads the solvers

    status = 0
    for path in chosen.instances:
        try:
            with _about(path):
                plan = repair(office_from_json(_read(path)), seconds=chosen.seconds, seed=chosen.seed)
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            status = 1
            continue
        except InfeasibleError as error:
            sys.stderr.write(f"{path}: {error}\n")
            status = 1
            continue
        _print(plan.to_json())
    return status


def _check(chosen: argparse.Namespace) -> int:
    with _about(chosen.instance):
        office = office_from_json(_read(chosen.instance))
    with _about(chosen.solution):
        solution = _read(chosen.solution)
        assignments = assignments_from_json(solution)
    faults = check.faults(office, assignments)
    costs = check.objective(office, assignments)
    levels = {
        "cancelled": costs.cancelled,
        "moved_grains": costs.moved_grains,
        "clerk_changes": costs.clerk_changes,
        "imbalance_grains": costs.imbalance_grains,
    }
    faults += [
        f"{name} is {value}, but the solution says {solution[name]}"
        for name, value in levels.items()
        if name in solution and solution[name] != value
    ]
    _print({"instance": office.name, "feasible": not faults, **levels, "faults": faults})
    return 1 if faults else 0


def _smptsp(chosen: argparse.Namespace) -> int:
    """Print a line for each instance; without a plan `used` is null, and proven if there can't be one."""
    from optimizer import smptsp  # noqa: PLC0415 - loads another solver than repair does

    status = 0
    for path in chosen.files:
        try:
            with _about(path):
                instance = smptsp.read(path.stem, path.read_text(encoding="utf-8"))
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            status = 1
            continue
        plan = smptsp.fewest_persons(instance, seconds=chosen.seconds, seed=chosen.seed)
        if plan.used is None:
            reason = "there is none" if plan.impossible else "the time was too short"
            sys.stderr.write(f"{path}: no plan was found, {reason}\n")
            status = 1
        else:
            faults = smptsp.faults(instance, plan)
            assert not faults, faults
        _print(
            {
                "instance": instance.name,
                "used": plan.used,
                "lower_bound": plan.lower_bound,
                "proven_optimal": plan.proven_optimal,
                "seconds": round(plan.seconds, 3),
            }
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
