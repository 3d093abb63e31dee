"""A calendar server in processes of its own, as in production (granian), to be killed: `python -m tests.proofs.server …`."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from calendar_server import app as calendar_app
from calendar_server.opening import is_holiday
from calendar_server.storage.database import Database
from config.processes.launch import Launch
from config.processes.web import serve
from tests.proofs.office import proof_directory
from tests.proofs.ticking import ticking
from tests.proofs.variants import broken_app
from tests.support.town import NOW


def build(database_url: str, began: float, variant: str) -> Any:
    """Return the application; `variant` names a broken one, "" is the real one."""
    if variant:
        return broken_app(variant, database_url, ticking(began))
    return calendar_app.create_app(
        calendar_app.CalendarSettings(database_url, proof_directory(), ticking(began))
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--began", type=float, required=True)
    parser.add_argument("--pipe", type=int, required=True)
    parser.add_argument("--variant", default="")
    given = parser.parse_args()
    os.environ["PYTHONWARNINGS"] = "ignore"
    # Loads the database's driver and the holidays, as the start would; nothing is connected yet.
    Database.open(given.database).close()
    for office in proof_directory().offices:
        is_holiday(NOW.date(), office.holiday_region)
    # Everything is there: from here on the start is quick, and a killed server's place is taken at once.
    sys.stdin.readline()
    app = partial(build, given.database, given.began, given.variant)
    here = Path.cwd()
    launch = Launch(
        config=here,
        data=here,
        demo=False,
        host="127.0.0.1",
        site_port=0,
        staff_port=0,
        dav_port=given.port,
        threads=8,
    )
    serve(app, launch, "calendar", given.pipe)


if __name__ == "__main__":
    main()
