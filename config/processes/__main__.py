"""`python -m config.processes ROLE PIPE LAUNCH`: how the supervisor starts a child; not for people."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from config.logs import set_up
from config.processes.failure import explained
from config.processes.launch import ROLES, Launch
from config.processes.parent import end_with_parent


def main(arguments: list[str]) -> None:
    """Run one role until it's told to end."""
    role, pipe, launch = arguments
    if role not in ROLES:
        raise SystemExit(f"unknown role {role!r}")
    end_with_parent(int(pipe))
    set_up(role)
    # What the processes write holds personal data.
    os.umask(0o077)
    with explained():
        import_module(f"config.processes.{role}").run(Launch.of(launch), int(pipe))


if __name__ == "__main__":
    main(sys.argv[1:])
