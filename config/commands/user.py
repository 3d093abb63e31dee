"""`termin user`: the accounts of clerks, leads and administrators."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from calendar_server.accounts import Account, AccountError, AccountRole
from config import compose
from config.accounts import open_accounts
from config.commands.options import config_option, data_option, settings_of
from config.schema import is_id

if TYPE_CHECKING:
    from pathlib import Path

    from config.settings import Settings

SHORTEST_PASSWORD = 10
_PEOPLE = [AccountRole.CLERK.value, AccountRole.LEAD.value, AccountRole.ADMIN.value]
_OURS = {AccountRole.SITE, AccountRole.WORKER}


@click.group()
def user() -> None:
    """Add, list and remove accounts."""


@user.command("add")
@click.argument("name")
@config_option
@data_option
@click.option(
    "--role", type=click.Choice(_PEOPLE), default="clerk", show_default=True, help="What it may do."
)
@click.option("--office", metavar="O", default="", help="Which office a lead leads; all of them if left out.")
@click.option("--display-name", metavar="TEXT", default="", help="The person's name.")
@click.option("--email", metavar="ADDRESS", default="", help="The person's e-mail address.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input instead of asking."
)
def add(
    *,
    name: str,
    config: Path,
    data: Path,
    role: str,
    office: str,
    display_name: str,
    email: str,
    password_stdin: bool,
) -> None:
    """Add the account NAME; a clerk's is her id in offices.toml.

    Asks for the password (at least 10 characters).
    """
    settings = settings_of(config)
    display_name = _check(settings, name, role, office) or display_name
    password = _password(from_stdin=password_stdin)
    account = Account(name, AccountRole(role), office, display_name, email)
    with open_accounts(settings, data, begin=True) as accounts:
        try:
            accounts.add(account, password)
        except AccountError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"added {name}")


@user.command("list")
@config_option
@data_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(*, config: Path, data: Path, as_json: bool) -> None:
    """List all accounts of people."""
    with open_accounts(settings_of(config), data) as accounts:
        found = [account for account in accounts.all() if account.role not in _OURS]
    if as_json:
        click.echo(
            json.dumps(
                [
                    {
                        "name": account.name,
                        "role": account.role.value,
                        "office": account.office,
                        "display_name": account.display_name,
                        "email": account.email,
                    }
                    for account in found
                ],
                ensure_ascii=False,
            )
        )
        return
    table = Table("account", "role", "office", "name", "e-mail")
    for account in found:
        table.add_row(account.name, account.role.value, account.office, account.display_name, account.email)
    Console(markup=False, highlight=False).print(table)


@user.command("password")
@click.argument("name")
@config_option
@data_option
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input instead of asking."
)
def password_(*, name: str, config: Path, data: Path, password_stdin: bool) -> None:
    """Give the account NAME another password."""
    settings = settings_of(config)
    password = _password(from_stdin=password_stdin)
    with open_accounts(settings, data) as accounts:
        _refuse_ours(accounts.get(name))
        try:
            accounts.set_password(name, password)
        except AccountError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"changed the password of {name}")


@user.command("remove")
@click.argument("name")
@config_option
@data_option
def remove(*, name: str, config: Path, data: Path) -> None:
    """Remove the account NAME and its app passwords. Its calendar stays."""
    with open_accounts(settings_of(config), data) as accounts:
        _refuse_ours(accounts.get(name))
        try:
            accounts.remove(name)
        except AccountError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"removed {name}")


def _check(settings: Settings, name: str, role: str, office: str) -> str:
    """Return the name that the configuration knows for a clerk; raise if the account can't be."""
    directory = compose.directory(settings)
    if name in {other.value for other in _OURS} or not is_id(name):
        wrong = f"{name!r} can't be the name of an account"
        if not is_id(name):
            wrong += ": use up to 40 lower case letters a-z, digits, and single hyphens between them"
        raise click.BadParameter(wrong, param_hint="NAME")
    if directory.office(name) is not None:
        raise click.BadParameter(f"{name!r} is the id of an office", param_hint="NAME")
    clerk = directory.clerk(name)
    if role == "clerk" and clerk is None:
        raise click.BadParameter(f"offices.toml has no clerk {name!r}", param_hint="NAME")
    if office and directory.office(office) is None:
        raise click.BadParameter(f"offices.toml has no office {office!r}", param_hint="--office")
    if office and role != "lead":
        raise click.BadParameter("only a lead has an office of her own", param_hint="--office")
    return clerk.name if clerk else ""


def _refuse_ours(account: Account | None) -> None:
    if account is not None and account.role in _OURS:
        raise click.ClickException(f"{account.name} is the program's own account")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if len(password) < SHORTEST_PASSWORD:
        raise click.ClickException(f"a password needs at least {SHORTEST_PASSWORD} characters")
    return str(password)
