"""`termin backup` and `restore`, from each database to each."""

from __future__ import annotations

import json
import stat
import zipfile
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from booking_web.notifications import store
from calendar_server.accounts import Account, AccountRole, Accounts
from calendar_server.ical.appointment import to_ical
from calendar_server.service import Actor
from calendar_server.setup import prepare
from calendar_server.storage import reading
from calendar_server.storage.changes import ChangeLog
from calendar_server.storage.database import Database
from calendar_server.storage.schema import changes, instances, metadata, objects
from config import backup as module
from config import compose, database, secrets
from config.backup import BackupError, backup, restore
from config.commands.backup import backup as backup_command
from config.commands.backup import restore as restore_command
from config.commands.options import EXAMPLE
from config.settings import load
from tests.support.calendar import CHEAP
from tests.support.clock import Clock
from tests.support.databases import fresh_postgresql
from tests.support.town import BERLIN, NOW, appointment, at

SITE = Actor("site", authoritative=True)
VIEW = "buergerbuero/appointments"
KINDS = ["sqlite", "postgresql"]


class Installation:
    """A data folder with its databases."""

    def __init__(self, folder, kind: str) -> None:
        self.data = folder
        folder.mkdir(exist_ok=True)
        environment = {} if kind == "sqlite" else {"TERMIN_DATABASE_URL": fresh_postgresql()}
        self.settings = load(EXAMPLE, environment=environment)
        self.offices = compose.directory(self.settings)

    def open(self) -> Database:
        return Database.open(database.url(self.settings, self.data))

    def calendars(self, opened: Database):
        return prepare(opened, self.offices, Clock())

    def fill(self) -> None:
        secrets.ensure(self.data, self.settings.server.secrets, demo=False)
        opened = self.open()
        calendars = self.calendars(opened)
        for number in range(3):
            value = appointment(f"a{number}@test", at(7, 8 + number), name="Erika Größer")
            calendars.put(VIEW, f"{value.uid}.ics", to_ical(value, now=NOW), SITE)
        calendars.delete(VIEW, "a2@test.ics", SITE)
        Accounts(opened, Clock(), CHEAP).ensure(Account("lead", AccountRole.LEAD), "demo")
        opened.close()
        worker = Database.open(database.worker_url(self.settings, self.data))
        store.migrate(worker)
        with store.Store(worker).writing() as writing:
            writing.set_cursor("buergerbuero", 2)
        worker.close()


def content(installation: Installation) -> dict[str, list]:
    opened = installation.open()
    with opened.read() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
            if table.name != "meta"
        }
    opened.close()
    return found


@pytest.fixture
def filled(tmp_path):
    installation = Installation(tmp_path / "old", "sqlite")
    installation.fill()
    return installation


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_everything_comes_back(tmp_path, source, target):
    old, new = Installation(tmp_path / "old", source), Installation(tmp_path / "new", target)
    old.fill()
    rows = backup(old.settings, old.data, tmp_path / "b.zip")
    assert rows["calendar/objects"] > 2
    assert restore(new.settings, new.data, tmp_path / "b.zip") == rows
    assert content(new) == content(old)
    worker = Database.open(database.worker_url(new.settings, new.data))
    assert store.Store(worker).cursor("buergerbuero") == 2
    worker.close()
    assert (new.data / secrets.FILE).read_bytes() == (old.data / secrets.FILE).read_bytes()


@pytest.mark.parametrize("target", KINDS)
def test_work_goes_on_after_a_restore(tmp_path, filled, target):
    new = Installation(tmp_path / "new", target)
    backup(filled.settings, filled.data, tmp_path / "b.zip")
    restore(new.settings, new.data, tmp_path / "b.zip")
    opened = new.open()
    calendars = new.calendars(opened)
    calendars.put(VIEW, "n@test.ics", to_ical(appointment("n@test", at(7, 11)), now=NOW), SITE)
    with opened.read() as connection:
        assert reading.booking(connection, "buergerbuero", "n@test") is not None
        assert reading.meta_value(connection, "incarnation") not in {None, _incarnation(filled)}
    log = ChangeLog(opened, BERLIN)
    assert log.read("buergerbuero", 0)[-1].uid == "n@test"
    opened.close()


def _incarnation(installation: Installation) -> str | None:
    opened = installation.open()
    with opened.read() as connection:
        found = reading.meta_value(connection, "incarnation")
    opened.close()
    return found


def test_a_backup_is_for_its_owner_alone(tmp_path, filled):
    backup(filled.settings, filled.data, tmp_path / "b.zip")
    assert stat.S_IMODE((tmp_path / "b.zip").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".b.zip")] == []


def test_a_backup_made_while_others_write_is_of_one_moment(tmp_path, filled, monkeypatch):
    opened = filled.open()
    calendars = filled.calendars(opened)
    sizes = []
    dump = module._dump

    def dump_while_somebody_books(connection, table, part, archive):
        day = at(9, 8) + timedelta(minutes=15 * len(sizes))
        if table.name in {objects.name, instances.name, changes.name}:
            value = appointment(f"m{len(sizes)}@test", day, minutes=15)
            calendars.put(VIEW, f"{value.uid}.ics", to_ical(value, now=NOW), SITE)
            sizes.append(table.name)
        return dump(connection, table, part, archive)

    monkeypatch.setattr(module, "_dump", dump_while_somebody_books)
    rows = backup(filled.settings, filled.data, tmp_path / "b.zip")
    assert len(sizes) == 3
    new = Installation(tmp_path / "new", "sqlite")
    restore(new.settings, new.data, tmp_path / "b.zip")
    known = {row[0] for row in content(new)["objects"]}
    assert {row[1] for row in content(new)["instances"]} <= known
    assert len(known) == rows["calendar/objects"]
    with opened.read() as connection:
        assert connection.execute(select(func.count()).select_from(objects)).scalar_one() == len(known) + 3
    opened.close()


def test_other_secrets_are_never_overwritten(tmp_path, filled):
    backup(filled.settings, filled.data, tmp_path / "b.zip")
    new = Installation(tmp_path / "new", "sqlite")
    secrets.ensure(new.data, new.settings.server.secrets, demo=False)
    with pytest.raises(BackupError, match="move it away"):
        restore(new.settings, new.data, tmp_path / "b.zip")
    (new.data / secrets.FILE).unlink()
    restore(new.settings, new.data, tmp_path / "b.zip")
    assert content(new) == content(filled)


def test_an_installation_with_data_is_never_overwritten(tmp_path, filled):
    backup(filled.settings, filled.data, tmp_path / "b.zip")
    before = content(filled)
    with pytest.raises(BackupError, match="holds data already"):
        restore(filled.settings, filled.data, tmp_path / "b.zip")
    assert content(filled) == before


def damage(file, name: str, change) -> None:
    with zipfile.ZipFile(file) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    members[name] = change(members[name])
    with zipfile.ZipFile(file, "w") as archive:
        for each, text in members.items():
            archive.writestr(each, text)


@pytest.mark.parametrize(
    ("member", "change", "told"),
    [
        ("calendar/objects.jsonl", lambda text: text.splitlines()[0] + b"\n", "rows"),
        ("calendar/objects.jsonl", lambda text: text[:-9], "damaged"),
        ("calendar/objects.jsonl", lambda text: text.replace(b'"uid"', b'"uidd"'), "doesn't fit"),
        ("manifest.json", lambda _: b"{}", "no backup"),
        ("manifest.json", lambda text: text.replace(b'"format": 1', b'"format": 9'), "another format"),
        ("manifest.json", lambda text: text.replace(b'"calendar": "0', b'"calendar": "9'), "newer program"),
    ],
)
def test_a_damaged_backup_is_refused_and_leaves_room_for_a_good_one(tmp_path, filled, member, change, told):
    for name in ("good.zip", "bad.zip"):
        backup(filled.settings, filled.data, tmp_path / name)
    damage(tmp_path / "bad.zip", member, change)
    new = Installation(tmp_path / "new", "sqlite")
    with pytest.raises(BackupError, match=told):
        restore(new.settings, new.data, tmp_path / "bad.zip")
    restore(new.settings, new.data, tmp_path / "good.zip")
    assert content(new) == content(filled)


def test_the_commands_say_what_is_wrong(tmp_path):
    where = ["--data", str(tmp_path / "data"), "--config", str(EXAMPLE)]
    nothing = CliRunner().invoke(backup_command, [str(tmp_path / "b.zip"), *where])
    assert (nothing.exit_code, "nothing to back up" in nothing.output) == (1, True)
    (tmp_path / "x.zip").write_text("no zip")
    wrong = CliRunner().invoke(restore_command, [str(tmp_path / "x.zip"), *where])
    assert (wrong.exit_code, "can't be read" in wrong.output) == (1, True)


def test_the_commands_do_it(tmp_path, filled):
    where = ["--config", str(EXAMPLE), "--data"]
    made = CliRunner().invoke(backup_command, [str(tmp_path / "b.zip"), *where, str(filled.data)])
    assert made.exit_code == 0, made.output
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert json.loads(archive.read("manifest.json"))["format"] == 1
    done = CliRunner().invoke(restore_command, [str(tmp_path / "b.zip"), *where, str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
