"""`termin app-password`: a password of its own for each calendar program, so that it can be revoked alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from calendar_server.accounts import AccountError
from config.accounts import open_accounts
from config.commands.known import print_known
from config.commands.options import config_option, data_option, settings_of

if TYPE_CHECKING:
    from pathlib import Path


@click.group("app-password")
def app_password() -> None:
    """Add, list and revoke passwords for calendar programs."""


@app_password.command("add")
@click.argument("account")
@click.argument("label")
@config_option
@data_option
def add(*, account: str, label: str, config: Path, data: Path) -> None:
    """Make a password for ACCOUNT's device or program LABEL and print it, once."""
    with open_accounts(settings_of(config), data) as accounts:
        try:
            secret = accounts.add_app_password(account, label)
        except AccountError as error:
            raise click.ClickException(str(error)) from error
    click.echo(secret)


@app_password.command("list")
@click.argument("account")
@config_option
@data_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(*, account: str, config: Path, data: Path, as_json: bool) -> None:
    """List what is known of ACCOUNT's app passwords; they themselves are known to nobody."""
    with open_accounts(settings_of(config), data) as accounts:
        if accounts.get(account) is None:
            raise click.ClickException(f"there is no account {account!r}")
        found = accounts.app_passwords(account)
    print_known(found, as_json=as_json)


@app_password.command("revoke")
@click.argument("account")
@click.argument("password_id", metavar="ID", type=int)
@config_option
@data_option
def revoke(*, account: str, password_id: int, config: Path, data: Path) -> None:
    """Revoke ACCOUNT's app password with the number ID; it stops working at once."""
    with open_accounts(settings_of(config), data) as accounts:
        try:
            accounts.revoke_app_password(account, password_id)
        except AccountError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"revoked {password_id}")
