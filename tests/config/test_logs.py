"""What the processes write into their logs, and what not."""

from __future__ import annotations

import subprocess
import sys

import pytest

SET_UP = """
import logging, structlog
from config import logs
logs.set_up("worker")

def fail(name):
    try:
        {}[name]
    except KeyError as error:
        raise ValueError(f"{name} can't be encoded") from error
"""
"""In a process of its own, since the set-up is a process's."""


def said(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", SET_UP + script], capture_output=True, text=True, check=True)
    return done.stderr


@pytest.mark.parametrize("logger", ["structlog.get_logger('ours')", "logging.getLogger('a library')"])
def test_a_traceback_says_where_and_repeats_nobodys_data(logger):
    line = said(f"""
try:
    fail("Erika Mustermann")
except ValueError:
    {logger}.exception("a mail can't be written")
""")
    assert "Erika" not in line
    assert "in fail" in line
    assert line.index("KeyError: (its text isn't logged)") < line.index("ValueError: (its text isn't logged)")
    assert line.count("\n") == 1


def test_what_the_machine_says_is_logged():
    line = said("""
try:
    open("/nowhere/at/all")
except OSError:
    logging.getLogger("a library").exception("it will be tried again")
""")
    assert "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/at/all'" in line


def test_what_keeps_a_process_from_starting_is_told_in_full():
    line = said("""
from config.processes.failure import explained
try:
    with explained():
        raise ValueError("no such kind of database")
except SystemExit as end:
    assert end.code == 1
""")
    assert 'reason="no such kind of database"' in line
    assert "ValueError" in line
