"""`termin serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from config.commands.options import EXAMPLE, config_option, data_option, settings_of
from config.processes.launch import ROLES
from config.serve import ServeError
from config.serve import serve as run

if TYPE_CHECKING:
    from pathlib import Path

_PORT = click.IntRange(1, 65535)


@click.command()
@config_option
@data_option
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--site-port", type=_PORT, metavar="PORT", help="Port of the public site.  [default: 8000]")
@click.option("--staff-port", type=_PORT, metavar="PORT", help="Port of the staff pages.  [default: 8001]")
@click.option("--dav-port", type=_PORT, metavar="PORT", help="Port of the calendar server.  [default: 5232]")
@click.option(
    "--role",
    type=click.Choice(["all", *ROLES]),
    default="all",
    show_default=True,
    help="Which part to run; all of them under one supervisor.",
)
@click.option(
    "--demo",
    is_flag=True,
    help='Set up the demo town with accounts whose password is "demo". Refuses any address but loopback.',
)
@click.pass_context
def serve(
    context: click.Context,
    *,
    config: Path,
    data: Path,
    host: str | None,
    site_port: int | None,
    staff_port: int | None,
    dav_port: int | None,
    role: str,
    demo: bool,
) -> None:
    """Run the calendar server, the public site, the staff pages and the worker.

    A part that dies is started anew. SIGTERM or Ctrl+C ends all of them.
    """
    given = context.get_parameter_source("config") is click.core.ParameterSource.COMMANDLINE
    folder = EXAMPLE if demo and not given else config
    settings = settings_of(folder, people=role not in {"site", "staff"}).with_ports(
        site=site_port, staff=staff_port, dav=dav_port, host=host
    )
    try:
        run(settings, data, roles=ROLES if role == "all" else (role,), demo=demo)
    except ServeError as error:
        raise click.ClickException(str(error)) from error
