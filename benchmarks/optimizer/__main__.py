"""How fast and how good plans are: `python -m benchmarks.optimizer [--repair FOLDER] [--smptsp FOLDER] [--seconds N] [--only PART…]`.

Admission and offers on simulated offices; repair of a town and a city, and how it grows with the office; balance; fixed tasks with
the fewest persons; elastic slots over thirty days in all. Instances come from folders (`town-*.json` and `city-*.json` as the repair command reads
them; `*.dat` in the published format), which TERMIN_BENCH_REPAIR and TERMIN_BENCH_SMPTSP name too, or from seeded generators.
Each time is given on the wall and as the processor's, for machines that do other work beside. Results go to benchmarks/results/optimizer.json
and optimizer-elastic.json, the picture to docs/optimizer-benchmark.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.optimizer import booking, elastic, generator, plans, plot, tasks
from optimizer.office import office_from_json

if TYPE_CHECKING:
    from optimizer.office import Office

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "optimizer.json"
PICTURE = ROOT / "docs" / "optimizer-benchmark.svg"
PARTS = ("admission", "offers", "town", "city", "growth", "balance", "smptsp", "elastic")


def given(folder: Path | None, kind: str) -> tuple[list[Office], dict[str, list[int]]]:
    """Read the folder's instances of a kind, and the optima of those that tell them."""
    offices, optima = [], {}
    for file in sorted(folder.glob(f"{kind}-*.json")) if folder else []:
        data = json.loads(file.read_text(encoding="utf-8"))
        office = office_from_json(data)
        offices.append(office)
        if data.get("optimum"):
            best = data["optimum"]
            optima[office.name] = list(best.values()) if isinstance(best, dict) else list(best)
    return offices, optima


def measure(part: str, repair: Path | None, smptsp: Path | None, seconds: float) -> Any:
    """Measure one of `PARTS`."""
    if part == "admission":
        plain = {str(clerks): booking.admission(clerks=clerks) for clerks in (10, 20, 40)}
        return {**plain, "20, more gaps": booking.admission(gaps=True)}
    if part == "offers":
        return booking.offers()
    if part == "town":
        offices, optima = given(repair, "town")
        towns = offices or [generator.town(seed) for seed in range(1, 21)]
        return plans.repairs("towns", towns, seconds, optima)
    if part == "city":
        offices, optima = given(repair, "city")
        return plans.together("city", offices or generator.city(1), seconds, optima)
    if part == "growth":
        return plans.growth(seconds)
    if part == "balance":
        return plans.balances([generator.town(seed) for seed in range(1, 6)])
    if part == "smptsp":
        return tasks.measure(smptsp, seconds)
    return elastic.run(elastic.DAYS_EACH, elastic.SEEDS)


def main() -> int:
    """Measure, write the results, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repair", type=Path, default=os.environ.get("TERMIN_BENCH_REPAIR"))
    parser.add_argument("--smptsp", type=Path, default=os.environ.get("TERMIN_BENCH_SMPTSP"))
    parser.add_argument("--seconds", type=float, default=60.0, help="for each instance")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    chosen = parser.parse_args()
    result: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    result = {part: result[part] for part in PARTS if part in result and part != "elastic"}
    result |= {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
    }
    folders = (
        Path(chosen.repair) if chosen.repair else None,
        Path(chosen.smptsp) if chosen.smptsp else None,
    )
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    for part in chosen.only:
        found = measure(part, *folders, chosen.seconds)
        if part != "elastic":
            result[part] = found
            RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    PICTURE.write_text(plot.draw(result), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
