"""`termin feed`: addresses at which a clerk's calendar can be read without a login, for programs that know no CalDAV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from calendar_server.accounts import AccountError
from calendar_server.feeds import path_of
from config import compose, running
from config.accounts import open_feeds
from config.commands.known import print_known
from config.commands.options import config_option, data_option, settings_of

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def feed() -> None:
    """Add, list and revoke secret addresses of calendars."""


@feed.command("add")
@click.argument("account")
@click.argument("label")
@config_option
@data_option
def add(*, account: str, label: str, config: Path, data: Path) -> None:
    """Make an address at which the program LABEL can read ACCOUNT's calendar, and print it, once."""
    settings = settings_of(config)
    with open_feeds(settings, data) as feeds:
        try:
            token = feeds.add(account, label)
        except AccountError as error:
            raise click.ClickException(str(error)) from error
    click.echo(compose.dav_url(running.where_it_runs(settings, data)) + path_of(token))


@feed.command("list")
@click.argument("account")
@config_option
@data_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(*, account: str, config: Path, data: Path, as_json: bool) -> None:
    """List what is known of ACCOUNT's addresses; they themselves are known to nobody."""
    with open_feeds(settings_of(config), data) as feeds:
        found = feeds.of(account)
    print_known(found, as_json=as_json)


@feed.command("revoke")
@click.argument("account")
@click.argument("feed_id", metavar="ID", type=int)
@config_option
@data_option
def revoke(*, account: str, feed_id: int, config: Path, data: Path) -> None:
    """Revoke ACCOUNT's address with the number ID; nothing can be read there any more."""
    with open_feeds(settings_of(config), data) as feeds:
        try:
            feeds.revoke(account, feed_id)
        except AccountError as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"revoked {feed_id}")
