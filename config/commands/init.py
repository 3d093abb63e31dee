"""`termin init`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from config.commands.options import EXAMPLE

_SERVER = """\
# How the processes run. Everything here has a default, and an environment variable that goes first:
# TERMIN_<SECTION>_<KEY>, such as TERMIN_SMTP_PASSWORD. See docs/configuration.md.

[server]
# How citizens, staff and calendar programs reach the reverse proxy (with HTTPS) in front of this host:
# site_url = "https://termin.example.org"
# staff_url = "https://termin-intern.example.org"
# dav_url = "https://kalender.example.org"
# trust_proxy = true

[smtp]
# host = "mail.example.org"
# user = "termin"          # the password comes by TERMIN_SMTP_PASSWORD

[retention]
appointment_days = 30
log_days = 7
"""


@click.command()
@click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path), default=Path("town"))
def init(directory: Path) -> None:
    """Begin a town's configuration in DIR (default: ./town) with the example town's files.

    Refuses a folder that isn't empty.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise click.ClickException(f"{directory} exists and isn't an empty folder")
    directory.mkdir(parents=True, exist_ok=True)
    for file in sorted(EXAMPLE.iterdir()):
        if file.suffix in {".png", ".svg", ".toml"}:
            shutil.copyfile(file, directory / file.name)
    (directory / "server.toml").write_text(_SERVER, "utf-8")
    click.echo(
        f"{directory} now holds the example town. Next:\n"
        f"  1. Change its files to your town's.\n"
        f"  2. termin check-config {directory}\n"
        f"  3. termin user add --config {directory} --role admin NAME\n"
        f"  4. termin serve --config {directory}"
    )
