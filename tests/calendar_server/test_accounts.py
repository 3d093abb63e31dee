"""Who gets in: passwords of people, app passwords of devices, and what is remembered of them."""

from __future__ import annotations

import time

import pytest
import requests
from argon2 import PasswordHasher
from sqlalchemy import select

from calendar_server.accounts import LONGEST_PASSWORD, Account, AccountError, AccountRole, Accounts
from calendar_server.storage.schema import accounts as table
from tests.support.calendar import CHEAP, PASSWORD

CLERK = Account("clerk1", AccountRole.CLERK)
LONG = "x" * 72


class Counting(PasswordHasher):
    """argon2's own hasher, which counts what it does."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.made = self.checked = 0

    def hash(self, *args, **named):
        self.made += 1
        return super().hash(*args, **named)

    def verify(self, *args, **named):
        self.checked += 1
        return super().verify(*args, **named)


@pytest.fixture
def hasher():
    return Counting()


@pytest.fixture
def accounts(service, clock, hasher):
    made = Accounts(service.database, clock, hasher)
    made.add(CLERK, "correct horse")
    return made


def stored(service) -> str:
    with service.database.read() as connection:
        return connection.execute(select(table.c.password_hash).where(table.c.name == "clerk1")).scalar_one()


def test_the_right_password_gets_in_and_no_other(accounts):
    assert accounts.login("clerk1", "correct horse") == CLERK
    for wrong in ("", "correct hors", "correct horse ", "Correct horse", "correct horse\0", "x" * 10_000):
        assert accounts.login("clerk1", wrong) is None
    assert accounts.login("", "correct horse") is None
    assert accounts.login("CLERK1", "correct horse") is None


def test_every_character_of_a_long_password_counts(accounts):
    accounts.set_password("clerk1", LONG + "a")
    assert accounts.login("clerk1", LONG + "a") == CLERK
    assert accounts.login("clerk1", LONG + "b") is None
    assert accounts.login("clerk1", LONG) is None


def test_a_hash_is_no_password(accounts, service):
    hashed = stored(service)
    assert hashed.startswith("$argon2id$")
    assert accounts.login("clerk1", hashed) is None
    secret = accounts.add_app_password("clerk1", "x")
    assert accounts.login("clerk1", secret) == CLERK
    with service.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM app_passwords").all()
    assert secret not in str(rows)
    (digest,) = (value for value in rows[0] if isinstance(value, str) and len(value) == 64)
    assert accounts.login("clerk1", digest) is None


def test_an_account_without_a_password_is_for_app_passwords_only(accounts):
    accounts.add(Account("clerk2", AccountRole.CLERK))
    assert accounts.login("clerk2", "") is None
    assert accounts.login("clerk2", "x") is None


def test_a_password_is_checked_once_until_it_changes(accounts, hasher):
    for _ in range(3):
        assert accounts.login("clerk1", "correct horse") == CLERK
    assert hasher.checked == 1
    for _ in range(2):
        assert accounts.login("clerk1", "wrong") is None
    assert hasher.checked == 3
    accounts.set_password("clerk1", "another one")
    assert accounts.login("clerk1", "correct horse") is None
    assert accounts.login("clerk1", "another one") == CLERK


def test_an_unknown_account_costs_as_much_as_a_wrong_password(accounts, hasher):
    before = hasher.made
    assert accounts.login("nobody", "wrong") is None
    assert hasher.made == before + 1


def test_a_removed_account_is_out_at_once(accounts):
    secret = accounts.add_app_password("clerk1", "x")
    assert accounts.login("clerk1", "correct horse") == CLERK
    accounts.remove("clerk1")
    assert accounts.login("clerk1", "correct horse") is None
    assert accounts.login("clerk1", secret) is None


@pytest.mark.parametrize("password", ["x" * (LONGEST_PASSWORD + 1)])
def test_what_cannot_be_a_password_is_refused(accounts, password):
    with pytest.raises(AccountError):
        accounts.set_password("clerk1", password)


def test_each_device_has_an_app_password_of_its_own(accounts, hasher, clock):
    first, second = (accounts.add_app_password("clerk1", label) for label in ("Büro", "Handy"))
    assert first != second
    assert len(first) >= 32
    before = hasher.checked
    assert accounts.login("clerk1", first) == accounts.login("clerk1", second) == CLERK
    assert hasher.checked == before, "an app password is random, so it needs no slow hash"
    known = accounts.app_passwords("clerk1")
    assert [(each.label, each.last_used) for each in known] == [("Büro", clock.now), ("Handy", clock.now)]
    assert first not in repr(known)
    accounts.revoke_app_password("clerk1", known[0].id)
    assert accounts.login("clerk1", first) is None
    assert accounts.login("clerk1", second) == CLERK


def test_an_app_password_belongs_to_one_account(accounts):
    accounts.add(Account("clerk2", AccountRole.CLERK), "x")
    secret = accounts.add_app_password("clerk1", "x")
    assert accounts.login("clerk2", secret) is None
    with pytest.raises(AccountError):
        accounts.revoke_app_password("clerk2", accounts.app_passwords("clerk1")[0].id)


def test_what_another_process_revokes_is_revoked_here(accounts, service, clock):
    secret = accounts.add_app_password("clerk1", "x")
    assert accounts.login("clerk1", secret) == CLERK
    other = Accounts(service.database, clock, CHEAP)
    other.revoke_app_password("clerk1", other.app_passwords("clerk1")[0].id)
    other.set_password("clerk1", "changed there")
    assert accounts.login("clerk1", secret) is None
    assert accounts.login("clerk1", "correct horse") is None


@pytest.mark.parametrize("step", [3_600, -3_600, -86_400 * 365])
def test_a_clock_step_makes_nobody_wait_after_a_wrong_password(server, monkeypatch, step):
    """Radicale's own login sleeps by differences of the wall clock; one that waits would outlast the timeout."""
    real, shift = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + shift[0])

    def status(password: str) -> int:
        url = f"{server.url}/clerk1/calendar/"
        headers = {"Depth": "0"}
        return requests.request(
            "PROPFIND", url, auth=("clerk1", password), headers=headers, timeout=30
        ).status_code

    assert status("wrong") == 401
    shift[0] = step
    assert [status("wrong") for _ in range(3)] == [401] * 3
    assert status(PASSWORD) == 207
