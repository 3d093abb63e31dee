"""Run caldav-server-tester and write what it found as JSON; this file runs in the environment of `tests.conformance.kit`.

Arguments: address of the server, password, file to write, and the accounts: the first is probed, the others are whom it invites.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import caldav
from caldav_server_tester.checker import ServerQuirkChecker


def main(url: str, password: str, file: str, *accounts: str) -> None:
    """Probe every feature. Its command line would fold features of one verdict into one, so the checker is asked itself."""
    logging.disable(logging.ERROR)
    first, *others = [caldav.DAVClient(url, username=name, password=password) for name in accounts]
    checker = ServerQuirkChecker(first, extra_clients=others)
    try:
        checker.check_all()
    finally:
        checker.cleanup(force=True)
    found = checker.features_checked.dotted_feature_set_list(compact=False)
    Path(file).write_text(json.dumps(found, indent=1, sort_keys=True, default=str) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
