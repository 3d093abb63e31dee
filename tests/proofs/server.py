"""A calendar server in processes of its own, as in production (granian), to be killed: `python -m tests.proofs.server …`."""

from __future__ import annotations

import argparse
import os
from functools import partial
from typing import Any

from calendar_server.app import CalendarSettings, create_app
from config.processes.web import serve
from tests.proofs.office import proof_directory
from tests.proofs.ticking import ticking


def build(database_url: str, began: float, variant: str) -> Any:
    """Return the application; `variant` names a broken one, "" is the real one."""
    if variant:
        from tests.proofs.variants import broken_app  # noqa: PLC0415 - the real server knows nothing of them

        return broken_app(variant, database_url, ticking(began))
    return create_app(CalendarSettings(database_url, proof_directory(), ticking(began)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--began", type=float, required=True)
    parser.add_argument("--pipe", type=int, required=True)
    parser.add_argument("--variant", default="")
    given = parser.parse_args()
    os.environ["PYTHONWARNINGS"] = "ignore"
    app = partial(build, given.database, given.began, given.variant)
    serve(app, host="127.0.0.1", port=given.port, threads=8, pipe=given.pipe)


if __name__ == "__main__":
    main()
