"""`termin doctor`: whether the surroundings are as the program needs them."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from config.commands.options import config_option, data_option, settings_of
from config.doctor import Level, examine

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@data_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(*, config: Path, data: Path, as_json: bool) -> None:
    """Try out the disk, DNS, the worker, SMTP, IMAP, CalDAV, the database, the clock and versions, while the program runs. Changes nothing, sends nothing.

    Status 1 if there is a problem; hints are no problems.
    """
    problems = 0
    findings = []
    for finding in examine(settings_of(config), data):
        problems += finding.level is Level.PROBLEM
        findings.append(asdict(finding))
        if not as_json:
            click.echo(f"{finding.level.upper():8}{finding.check}: {finding.text}")
    if as_json:
        click.echo(json.dumps(findings, ensure_ascii=False))
    if problems:
        raise click.ClickException(f"{problems} problem{'s' if problems > 1 else ''}")
