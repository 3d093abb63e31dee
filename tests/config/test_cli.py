"""The command line: what it prints, and its exit status."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from calendar_server.setup import prepare
from calendar_server.storage.database import Database
from calendar_server.storage.migrate import NewerTablesError
from config import compose, running
from config.cli import COMMANDS
from config.cli import termin as cli
from config.commands.options import EXAMPLE
from config.processes.failure import reason_of
from config.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.config.conftest import Folder


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def termin(*arguments: object, stdin: str = "") -> Done:
    result = CliRunner().invoke(cli, [*map(str, arguments)], input=stdin, prog_name="termin")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


def installed(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the program as people do."""
    program = Path(sys.executable).with_name("termin")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_installed_program_says_what_it_can_and_ends_as_told(folder: Folder) -> None:
    helped = installed("--help")
    assert helped.returncode == 0
    assert all(f"\n  {name} " in helped.stdout for name in COMMANDS)
    folder.replace("town.toml", 'zone = "Europe/Berlin"', 'zone = "Mars/Base"')
    refused = installed("check-config", folder.path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "town.toml: zone: 'Mars/Base'" in refused.stderr


@pytest.fixture(autouse=True)
def no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TERMIN_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def where(folder: Folder, tmp_path: Path) -> tuple[object, ...]:
    return ("--config", folder.path, "--data", tmp_path / "data")


def test_a_good_configuration_is_ok(folder: Folder) -> None:
    done = termin("check-config", folder.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_all_mistakes_are_on_standard_error_and_the_status_is_1(folder: Folder) -> None:
    folder.replace("town.toml", 'zone = "Europe/Berlin"', 'zone = "Mars/Base"')
    folder.replace("offices.toml", "share = 0.5", "share = 5")
    done = termin("check-config", folder.path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: the configuration in {folder.path} has 2 mistakes:\n"
        "  offices.toml: offices[0 buergerbuero].clerks[2 clerk3].share: must be at most 1.0, not 5\n"
        "  town.toml: zone: 'Mars/Base' isn't a known time zone (such as Europe/Berlin)\n"
    )


def test_wrong_usage_is_2() -> None:
    assert termin("check-config", "--what").returncode == 2
    assert termin("serve", "--site-port", "99999").returncode == 2
    assert termin("nonsense").returncode == 2


def test_a_new_town_begins_with_the_example_and_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = termin("init", "mine")
    assert done.returncode == 0
    assert termin("check-config", tmp_path / "mine").stdout == "ok\n"
    again = termin("init", "mine")
    assert (again.returncode, again.stderr) == (1, "Error: mine exists and isn't an empty folder\n")


def test_accounts_are_added_listed_changed_and_removed(where: tuple[object, ...]) -> None:
    password = "correct horse battery"
    assert (
        termin("user", "add", "clerk1", "--password-stdin", *where, stdin=password).stdout == "added clerk1\n"
    )
    assert (
        termin(
            "user",
            "add",
            "boss",
            "--role",
            "lead",
            "--office",
            "buergerbuero",
            "--password-stdin",
            *where,
            stdin=password,
        ).returncode
        == 0
    )
    listed = json.loads(termin("user", "list", "--json", *where).stdout)
    assert [
        (account["name"], account["role"], account["office"], account["display_name"]) for account in listed
    ] == [
        ("boss", "lead", "buergerbuero", ""),
        ("clerk1", "clerk", "", "Annette Kotthoff"),
    ]
    assert "Annette Kotthoff" in termin("user", "list", *where).stdout
    assert (
        termin("user", "password", "boss", "--password-stdin", *where, stdin=password + "2").returncode == 0
    )
    assert termin("user", "remove", "boss", *where).stdout == "removed boss\n"
    gone = termin("user", "remove", "boss", *where)
    assert (gone.returncode, gone.stderr) == (1, "Error: there is no account 'boss'\n")


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "message"),
    [
        (("clerk9",), "correct horse", 2, "offices.toml has no clerk 'clerk9'"),
        (("site", "--role", "admin"), "correct horse", 2, "'site' can't be the name of an account"),
        (("NAME", "--role", "admin"), "correct horse", 2, "use up to 40 lower case letters a-z"),
        (("buergerbuero", "--role", "lead"), "correct horse", 2, "'buergerbuero' is the id of an office"),
        (
            ("x", "--role", "lead", "--office", "rathaus"),
            "correct horse",
            2,
            "offices.toml has no office 'rathaus'",
        ),
        (("clerk1",), "short", 1, "a password needs at least 10 characters"),
    ],
)
def test_an_account_that_cannot_be_is_refused(
    where: tuple[object, ...], arguments: tuple[str, ...], stdin: str, status: int, message: str
) -> None:
    done = termin("user", "add", *arguments, "--password-stdin", *where, stdin=stdin)
    assert done.returncode == status
    assert message in done.stderr
    assert "there is no data in" in termin("user", "list", *where).stderr


def test_app_passwords_are_shown_once_listed_and_revoked(where: tuple[object, ...]) -> None:
    termin("user", "add", "clerk1", "--password-stdin", *where, stdin="correct horse battery")
    secret = termin("app-password", "add", "clerk1", "Thunderbird", *where).stdout.strip()
    assert len(secret) >= 20
    (known,) = json.loads(termin("app-password", "list", "clerk1", "--json", *where).stdout)
    assert (known["label"], known["last_used"]) == ("Thunderbird", None)
    assert secret not in termin("app-password", "list", "clerk1", *where).stdout
    assert termin("app-password", "revoke", "clerk1", known["id"], *where).returncode == 0
    assert termin("app-password", "revoke", "clerk1", known["id"], *where).returncode == 1
    assert (
        termin("app-password", "add", "nobody", "x", *where).stderr == "Error: there is no account 'nobody'\n"
    )


def test_secret_addresses_are_shown_once_listed_and_revoked(
    where: tuple[object, ...], folder: Folder, tmp_path: Path
) -> None:
    termin("user", "add", "clerk1", "--password-stdin", *where, stdin="correct horse battery")
    assert "has no calendar of its own" in termin("feed", "add", "clerk1", "Outlook", *where).stderr
    opened = Database.open(f"sqlite:///{tmp_path / 'data' / 'termin.sqlite'}")
    prepare(opened, compose.directory(load(folder.path)), lambda: datetime(2026, 12, 1, tzinfo=UTC))
    opened.close()
    address = termin("feed", "add", "clerk1", "Outlook", *where).stdout.strip()
    assert address.startswith("http://127.0.0.1:5232/feeds/")
    assert len(address.rpartition("/")[2]) >= 43
    (known,) = json.loads(termin("feed", "list", "clerk1", "--json", *where).stdout)
    assert (known["label"], known["last_used"]) == ("Outlook", None)
    assert address.rpartition("/")[2][:10] not in termin("feed", "list", "clerk1", *where).stdout
    assert termin("feed", "revoke", "clerk1", known["id"], *where).returncode == 0
    assert termin("feed", "revoke", "clerk1", known["id"], *where).returncode == 1
    with ExitStack() as held:
        running.hold(held, tmp_path / "data", "calendar", "127.0.0.1", 15232)
        address = termin("feed", "add", "clerk1", "Outlook", *where).stdout
        assert address.startswith("http://127.0.0.1:15232/feeds/"), "where it runs"


def test_what_is_written_is_for_its_owner_alone(where: tuple[object, ...], tmp_path: Path) -> None:
    termin("user", "add", "clerk1", "--password-stdin", *where, stdin="correct horse battery")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "termin.sqlite").stat().st_mode) == 0o600


def test_a_database_that_cannot_be_used_is_told_in_a_line(
    where: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "termin.sqlite").write_text("no database, but longer than the head of one" * 9)
    done = installed("verify", *where)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: the database can't be used: file is not a database\n"
    monkeypatch.setenv("TERMIN_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/termin")
    done = installed("user", "list", *where)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: the database can't be used: connection failed")
    assert done.stderr.count("\n") == 1


def test_a_data_folder_that_cannot_be_written_is_told_in_a_line(
    where: tuple[object, ...], tmp_path: Path
) -> None:
    """The one who asks is often not the user that the service runs as; tests may run as the superuser, whom only folders in the way stop."""
    termin("user", "add", "clerk1", "--password-stdin", *where, stdin="correct horse battery")
    lock = tmp_path / "data" / "termin.sqlite.lock"
    lock.unlink()
    lock.mkdir()
    for command in (("user", "list"), ("verify",)):
        done = installed(*command, *where)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("Error: the database can't be used: ")
        assert str(lock) in done.stderr
        assert done.stderr.count("\n") == 1
    (tmp_path / "data" / ".calendar.lock").mkdir()
    done = installed("serve", *where)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == f"Error: the data folder {tmp_path / 'data'} can't be used (--data): Is a directory\n"
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OperationalError(None, None, sqlite3.OperationalError("attempt to write a readonly database")),
            "the database can't be used: attempt to write a readonly database (run it as the user that owns the data folder)",
        ),
        (
            OperationalError(None, None, sqlite3.OperationalError("database or disk is full")),
            "the database can't be used: database or disk is full",
        ),
        (
            NewerTablesError("9999"),
            "the database is from a newer program (its tables have the form 9999): install that one, or restore a backup from before into an empty one",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x can't be used: Permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"), None),
    ],
)
def test_what_somebody_can_mend_is_told_in_a_line(error: Exception, said: str | None) -> None:
    assert reason_of(error) == said


BEGINNERS = {"serve", "user add", "demo fill", "restore"}
"""Commands that may begin an installation."""
WORDS = {
    "user password": ["lead", "--password-stdin"],
    "user remove": ["lead"],
    "app-password add": ["lead", "Outlook"],
    "app-password list": ["lead"],
    "app-password revoke": ["lead", "1"],
    "feed add": ["lead", "Outlook"],
    "feed list": ["lead"],
    "feed revoke": ["lead", "1"],
    "plan repair": ["--office=buergerbuero", "--clerk=clerk1", "--from=2026-12-07", "--to=2026-12-08"],
    "plan balance": ["--office=buergerbuero", "--from=2026-12-07", "--to=2026-12-08"],
    "plan whatif": ["--office=buergerbuero", "--window=thu 14:00-18:00"],
    "plan list": ["--office=buergerbuero"],
    "plan show": ["1"],
    "plan apply": ["1"],
    "plan undo": ["1"],
    "plan dismiss": ["1"],
    "import": [str(Path(__file__)), "--calendar=clerk1"],
    "export": ["--calendar=clerk1"],
    "backup": ["saved.zip"],
}


def of_data(group: click.Group = cli, *before: str) -> Iterator[str]:
    """The names of all commands that take a data folder."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from of_data(command, *before, name)
        elif command is not None and any(each.name == "data" for each in command.params):
            yield " ".join([*before, name])


@pytest.mark.parametrize("name", sorted(set(of_data()) - BEGINNERS - {"doctor"}))
def test_a_folder_without_data_is_named_and_not_made(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "import":
        Path("one.ics").write_text("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n", "utf-8")
        WORDS[name][0] = "one.ics"
    done = termin(
        *name.split(),
        *WORDS.get(name, []),
        "--data",
        "mistyped",
        "--config",
        EXAMPLE,
        stdin="a long password\n",
    )
    assert done.returncode == 1, done.stderr
    assert "mistyped" in done.stderr
    assert not Path("mistyped").exists()
    assert not Path("saved.zip").exists()
