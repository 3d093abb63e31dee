"""Accounts, app passwords, and who somebody is.

People's passwords are kept as Argon2id (RFC 9106); app passwords are random, so their SHA-256 is enough, and quick. A successful
check of a password is remembered in memory for the hash it was checked against: whoever changes or revokes a password ends the
memory with it.
"""

from __future__ import annotations

import hmac
import os
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import bindparam, delete, insert, select, update

from calendar_server.shown_once import ShownOnce, digest
from calendar_server.storage.prepared import Prepared
from calendar_server.storage.schema import accounts, app_passwords, feeds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from calendar_server.shown_once import Known
    from calendar_server.storage.database import Database

_REMEMBERED = 1_000
_PREFIX = "tap_"
LONGEST_PASSWORD = 1_024


class AccountRole(StrEnum):
    """What an account may do; `calendar_server.rights` has the matrix."""

    CLERK = "clerk"
    LEAD = "lead"
    ADMIN = "admin"
    SITE = "site"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Account:
    """An account; `office` is where a lead leads (clerks' offices stand in the directory)."""

    name: str
    role: AccountRole
    office: str = ""
    display_name: str = ""
    email: str = ""


class AccountError(ValueError):
    """The account doesn't exist, exists already, or a value isn't allowed; the message says which."""


_BY_NAME = Prepared(
    select(
        accounts.c.name,
        accounts.c.role,
        accounts.c.office,
        accounts.c.display_name,
        accounts.c.email,
        accounts.c.password_hash,
    ).where(accounts.c.name == bindparam("name"))
)
_APP_PASSWORD = Prepared(
    select(app_passwords.c.id, app_passwords.c.last_used).where(
        app_passwords.c.account == bindparam("name"), app_passwords.c.hash == bindparam("hash")
    )
)


def _account(row: Sequence[str]) -> Account:
    name, role, office, display_name, email, *_ = row
    return Account(name, AccountRole(role), office, display_name, email)


class Accounts:
    """The accounts of one database. `clock` returns the current time, aware. Safe to share between threads.

    `hasher` sets the cost of new hashes; a hash is verified at the cost that it was made with.
    """

    def __init__(
        self, database: Database, clock: Callable[[], datetime], hasher: PasswordHasher | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        self._app_passwords = ShownOnce(app_passwords, database, clock)
        self._key = os.urandom(32)
        self._lock = threading.Lock()
        self._verified: OrderedDict[bytes, str] = OrderedDict()

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def get(self, name: str) -> Account | None:
        """Return the account of that name, or None."""
        with self._database.read() as connection:
            return self._get(connection, name)

    @staticmethod
    def _get(connection: Connection, name: str) -> Account | None:
        row = _BY_NAME.first(connection, name=name)
        return None if row is None else _account(row)

    def all(self) -> list[Account]:
        """Return all accounts by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(accounts).order_by(accounts.c.name)).all()
        return [
            Account(row.name, AccountRole(row.role), row.office, row.display_name, row.email) for row in rows
        ]

    def add(self, account: Account, password: str = "") -> None:
        """Create an account; without a password it can be used by app passwords only. AccountError if it exists."""
        with self._database.write() as connection:
            if self._get(connection, account.name) is not None:
                raise AccountError(f"the account {account.name!r} exists already")
            connection.execute(
                insert(accounts),
                {
                    "name": account.name,
                    "role": account.role.value,
                    "office": account.office,
                    "display_name": account.display_name,
                    "email": account.email,
                    "password_hash": self._hash(password) if password else "",
                    "created": self._now(),
                },
            )

    def ensure(self, account: Account, password: str) -> None:
        """Create the account or bring it to this state; a password that is already set and right stays as it is."""
        with self._database.read() as connection:
            query = select(accounts.c.password_hash).where(accounts.c.name == account.name)
            stored = connection.execute(query).scalar_one_or_none()
            same = self._get(connection, account.name) == account
        if stored is None:
            self.add(account, password)
            return
        if same and self._verify(stored, password):
            return
        with self._database.write() as connection:
            connection.execute(
                update(accounts)
                .where(accounts.c.name == account.name)
                .values(
                    role=account.role.value,
                    office=account.office,
                    display_name=account.display_name,
                    email=account.email,
                    password_hash=self._hash(password),
                )
            )

    def set_password(self, name: str, password: str) -> None:
        """Change a password. AccountError if there is no such account."""
        hashed = self._hash(password)
        with self._database.write() as connection:
            query = update(accounts).where(accounts.c.name == name).values(password_hash=hashed)
            if connection.execute(query).rowcount == 0:
                raise AccountError(f"there is no account {name!r}")

    def remove(self, name: str) -> None:
        """Delete an account, its app passwords and its feeds; its calendars stay. AccountError if there is no such account."""
        with self._database.write() as connection:
            connection.execute(delete(app_passwords).where(app_passwords.c.account == name))
            connection.execute(delete(feeds).where(feeds.c.account == name))
            if connection.execute(delete(accounts).where(accounts.c.name == name)).rowcount == 0:
                raise AccountError(f"there is no account {name!r}")

    def _hash(self, password: str) -> str:
        if not password or len(password) > LONGEST_PASSWORD:
            raise AccountError(f"a password has 1 to {LONGEST_PASSWORD} characters")
        return self._hasher.hash(password)

    # App passwords ---------------------------------------------------------------------------------------------------

    def add_app_password(self, account: str, label: str) -> str:
        """Make an app password for one device and return it: it can't be shown again. AccountError if there is no such account."""
        secret = _PREFIX + secrets.token_urlsafe(24)
        with self._database.write() as connection:
            if self._get(connection, account) is None:
                raise AccountError(f"there is no account {account!r}")
            self._app_passwords.add(connection, account, label, secret)
        return secret

    def app_passwords(self, account: str) -> list[Known]:
        """Return what is known of an account's app passwords."""
        return self._app_passwords.of(account)

    def revoke_app_password(self, account: str, password_id: int) -> None:
        """Delete an app password; it stops working at once. AccountError if the account has none of that id."""
        if not self._app_passwords.revoke(account, password_id):
            raise AccountError(f"{account!r} has no app password {password_id}")

    @staticmethod
    def is_app_password(password: str) -> bool:
        """True for a text of the form of app passwords; no other password is checked quickly or can be one by chance."""
        return password.startswith(_PREFIX)

    # Logging in ------------------------------------------------------------------------------------------------------

    def login(self, name: str, password: str) -> Account | None:
        """Return the account if the password or one of its app passwords is right.

        Takes about as long for an unknown account as for a wrong password.
        """
        if not name or not password or len(password) > LONGEST_PASSWORD:
            return None
        with self._database.read() as connection:
            row = _BY_NAME.first(connection, name=name)
            account, stored = (None, "") if row is None else (_account(row), row[-1])
            found = None
            if account is not None and password.startswith(_PREFIX):
                found = _APP_PASSWORD.first(connection, name=name, hash=digest(password))
        if account is not None and found is not None:
            self._app_passwords.mark_used(*found)
            return account
        if not stored:
            # As slow as a wrong password, so that nobody learns which accounts there are.
            self._hasher.hash(password)
            return None
        if not self._verify(stored, password):
            return None
        return account

    def _verify(self, stored: str, password: str) -> bool:
        known = hmac.digest(self._key, f"{stored}\0{password}".encode(), "sha256")
        with self._lock:
            if known in self._verified:
                self._verified.move_to_end(known)
                return True
        try:
            self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
        with self._lock:
            self._verified[known] = stored
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        return True
