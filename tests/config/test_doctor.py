"""`termin doctor` against real servers: what is well, and every kind of problem."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from calendar_server.accounts import Account, AccountRole, Accounts
from calendar_server.storage.database import Database
from config import compose, database, running, secrets
from config import doctor as module
from config.commands.doctor import doctor
from config.doctor import Level, examine
from config.processes.launch import HEARTBEAT
from tests.notifications.servers import Postbox, mail_server
from tests.notifications.test_mailbox import imap_server
from tests.support.calendar import CHEAP, calendar_server
from tests.support.clock import Clock
from tests.support.ports import free_port
from tests.support.servers import serving
from tests.support.town import NOW, appointment, at

PASSWORD = "a password that is long enough"


@pytest.fixture(autouse=True)
def no_name_server(monkeypatch):
    """The DNS is beyond this machine: a table stands for it."""
    known = {"meschede.example": "192.0.2.1", "127.0.0.1": "127.0.0.1"}

    def look_up(name: str) -> set[str]:
        if name not in known:
            raise OSError("unknown name")
        return {known[name]}

    monkeypatch.setattr(module, "addresses_of", look_up)


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    return path


def findings(folder, data, check: str, **environment: str) -> list[tuple[Level, str]]:
    settings = folder.load(**environment)
    return [(each.level, each.text) for each in examine(settings, data, Clock()) if each.check == check]


def only(folder, data, check: str, **environment: str) -> tuple[Level, str]:
    (found,) = findings(folder, data, check, **environment)
    return found


def test_a_calendar_server_that_knows_the_site(folder, data):
    settings = folder.load()
    with calendar_server(database.url(settings, data)) as server:
        opened = Database.open(server.database_url)
        Accounts(opened, Clock(), CHEAP).remove("site")
        Accounts(opened, Clock(), CHEAP).ensure(Account("site", AccountRole.SITE), PASSWORD)
        opened.close()
        where = {"TERMIN_SERVER_DAV_INTERNAL_URL": server.url}
        level, text = only(folder, data, "caldav", TERMIN_SECRETS_SITE_PASSWORD=PASSWORD, **where)
        assert (level, "knows the site" in text) == (Level.OK, True)
        level, text = only(folder, data, "caldav", TERMIN_SECRETS_SITE_PASSWORD="another " * 4, **where)
        assert (level, "share the secrets" in text) == (Level.PROBLEM, True)
        clocks = findings(folder, data, "clock", TERMIN_SECRETS_SITE_PASSWORD=PASSWORD, **where)
        assert (Level.OK, "the calendar server has the same time") in clocks


def test_a_calendar_server_that_is_none(folder, data):
    def somebody(_environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Date", "Mon, 01 Jan 2024 00:00:00 GMT")])
        return [b"hello"]

    with serving(somebody) as url:
        level, text = only(folder, data, "caldav", TERMIN_SERVER_DAV_INTERNAL_URL=url)
    assert (level, "no calendar server" in text) == (Level.PROBLEM, True)
    level, text = only(
        folder, data, "caldav", TERMIN_SERVER_DAV_INTERNAL_URL=f"http://127.0.0.1:{free_port()}"
    )
    assert (level, "doesn't answer" in text) == (Level.PROBLEM, True)


def test_a_calendar_server_is_sought_where_it_runs(folder, data):
    configured = str(free_port())
    with calendar_server(database.url(folder.load(), data)) as server, ExitStack() as held:
        running.hold(held, data, "calendar", "127.0.0.1", urlsplit(server.url).port)
        _, text = only(folder, data, "caldav", TERMIN_SERVER_DAV_PORT=configured)
        assert server.url in text
    level, text = only(folder, data, "caldav", TERMIN_SERVER_DAV_PORT=configured)
    assert (level, f":{configured} doesn't answer" in text) == (Level.PROBLEM, True)


def smtp(port: int) -> dict[str, str]:
    return {"TERMIN_SMTP_HOST": "127.0.0.1", "TERMIN_SMTP_PORT": str(port), "TERMIN_SMTP_SECURITY": "none"}


def test_a_mail_server_is_tried_without_a_mail(folder, data):
    postbox = Postbox()
    with mail_server(postbox) as port:
        level, text = only(folder, data, "smtp", **smtp(port))
        assert (level, "without encryption" in text) == (Level.HINT, True)
        postbox.on_mail = lambda _: "550 not from you"
        assert findings(folder, data, "smtp", **smtp(port))[0][0] is Level.PROBLEM
    assert postbox.taken == []
    assert only(folder, data, "smtp", **smtp(port))[0] is Level.PROBLEM


def test_a_mailbox_is_looked_into(folder, data, tmp_path):
    with imap_server(tmp_path) as mailbox:
        there = {
            "TERMIN_REPLIES_HOST": mailbox.host,
            "TERMIN_REPLIES_PORT": str(mailbox.port),
            "TERMIN_REPLIES_SECURITY": "none",
            "TERMIN_REPLIES_USER": mailbox.user,
            "TERMIN_REPLIES_PASSWORD": mailbox.password,
            "TERMIN_REPLIES_VOUCHING": mailbox.vouching,
        }
        assert only(folder, data, "imap", **there)[0] is Level.OK
        wrong = there | {"TERMIN_REPLIES_FOLDER": "Elsewhere"}
        assert only(folder, data, "imap", **wrong) == (
            Level.PROBLEM,
            f"127.0.0.1:{mailbox.port} has no folder Elsewhere",
        )
        assert only(folder, data, "imap", **there | {"TERMIN_REPLIES_PASSWORD": "no"})[0] is Level.PROBLEM


def test_a_folder_that_others_can_look_into(folder, data):
    assert only(folder, data, "data")[0] is Level.OK
    data.chmod(0o755)
    level, text = only(folder, data, "data")
    assert (level, f"chmod 700 {data}" in text) == (Level.PROBLEM, True)
    data.chmod(0o700)
    (data / secrets.FILE).write_text("nonsense")
    assert findings(folder, data, "data")[1][0] is Level.PROBLEM


def test_a_disk_that_is_nearly_full(folder, data, monkeypatch):
    assert only(folder, data, "disk")[0] is Level.OK
    monkeypatch.setattr(module, "_LEAST_FREE", 1 << 80)
    level, text = only(folder, data, "disk")
    assert (level, "MB are free" in text) == (Level.PROBLEM, True)


def test_a_worker_that_works_hangs_or_is_gone(folder, data):
    def beat(seconds_ago: int, **more: object) -> None:
        when = NOW - timedelta(seconds=seconds_ago)
        said = {"at": when.isoformat(), "state": "active", "waiting": 2, "failed": 0, "oldest": None, **more}
        (data / HEARTBEAT).write_text(json.dumps(said))

    assert only(folder, data, "worker")[0] is Level.HINT
    with ExitStack() as held:
        running.hold(held, data, "worker", "127.0.0.1", None)
        assert only(folder, data, "worker")[0] is Level.PROBLEM
        beat(1)
        assert only(folder, data, "worker") == (Level.OK, "it works; 2 mails wait")
        beat(1, failed=3, oldest="2026-01-01T08:00:00+00:00")
        said = findings(folder, data, "worker")
        assert [level for level, _ in said] == [Level.OK, Level.HINT, Level.HINT]
        assert "2026-01-01 08:00" in said[1][1]
        assert "3 mails" in said[2][1]
        beat(1, state="standby")
        assert "stands by" in only(folder, data, "worker")[1]
        beat(3_600)
        level, text = only(folder, data, "worker")
        assert (level, "has done nothing since" in text) == (Level.PROBLEM, True)
    beat(1)
    level, text = only(folder, data, "worker")
    assert (level, "no mail leaves" in text) == (Level.PROBLEM, True)


def test_appointments_that_the_configuration_leaves_behind(folder, data):
    def said() -> list[str]:
        found = [each for each in examine(folder.load(), data, Clock()) if each.check == "appointments"]
        assert all(each.level is Level.PROBLEM for each in found)
        return [each.text for each in found]

    with calendar_server(database.url(folder.load(), data), compose.directory(folder.load())) as server:
        server.client().book(appointment("a1@test", at(7, 9)), now=NOW)
        server.client().book(appointment("a2@test", at(7, 10), "fundbuero"), now=NOW)
        holders = [
            name for name in ("clerk1", "clerk2", "clerk3", "clerk4") if server.calendar(name).events()
        ]
    assert said() == []
    folder.replace("offices.toml", f'id = "{holders[0]}"', 'id = "clerk9"')
    (text,) = said()
    assert f"with {holders[0]}, who isn't in buergerbuero" in text
    folder.replace("offices.toml", 'id = "clerk9"', f'id = "{holders[0]}"')
    for file in ("offices.toml", "services.toml"):
        folder.write(file, (folder.path / file).read_text("utf-8").replace('"fundbuero"', '"fundsachen"'))
    assert said() == [
        "1 appointments ahead are for the service fundbuero, which isn't in services.toml: put it back until they are taken over or done"
    ]


def test_a_proxy_that_is_not_trusted_hides_who_calls(folder, data):
    assert only(folder, data, "proxy")[0] is Level.HINT
    behind = {"TERMIN_SERVER_SITE_URL": "https://termin.example.org"}
    level, text = only(folder, data, "proxy", **behind)
    assert (level, "trust_proxy is off" in text) == (Level.PROBLEM, True)
    assert only(folder, data, "proxy", TERMIN_SERVER_TRUST_PROXY="true", **behind)[0] is Level.OK


def test_a_name_that_nobody_knows(folder, data):
    found = findings(folder, data, "dns", TERMIN_SERVER_SITE_URL="https://termine.invalid")
    assert (Level.PROBLEM, True) in {(level, "termine.invalid" in text) for level, text in found}
    assert (Level.OK, "mails of buergerbuero: meschede.example is 192.0.2.1") in found


def test_tables_are_compared_with_the_program(folder, data):
    settings = folder.load()
    with calendar_server(database.url(settings, data)):
        pass
    found = findings(folder, data, "database")
    assert all(level is Level.OK for level, _ in found)
    assert any("the newest" in text for _, text in found)
    opened = Database.open(database.url(settings, data))
    with opened.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version_calendar SET version_num = '9999'")
    opened.close()
    assert (Level.PROBLEM, True) in {
        (level, "newer program" in text) for level, text in findings(folder, data, "database")
    }
    away = f"postgresql+psycopg://127.0.0.1:{free_port()}/none"
    level, _ = only(folder, data, "database", TERMIN_DATABASE_URL=away)
    assert level is Level.PROBLEM


def test_the_command_ends_with_1_if_there_is_a_problem(folder, data):
    words = ["--config", str(folder.path), "--data", str(data), "--json"]
    done = CliRunner().invoke(doctor, words, env={**os.environ, "TERMIN_SERVER_DAV_PORT": str(free_port())})
    assert done.exit_code == 1
    assert {"versions", "dns", "caldav", "smtp"} <= {each["check"] for each in json.loads(done.stdout)}
    plain = CliRunner().invoke(doctor, words[:-1])
    assert "PROBLEM caldav: " in plain.output


def test_it_says_that_no_solver_is_installed(folder, data, monkeypatch):
    found = module.version

    def without(name: str) -> str:
        if name == "highspy":
            raise module.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(module, "version", without)
    hints = [text for level, text in findings(folder, data, "versions") if level is Level.HINT]
    assert any("HiGHS isn't installed" in text for text in hints)
