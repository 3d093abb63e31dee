from __future__ import annotations

import subprocess
import sys

import click
import pytest

from config import reference
from config.cli import COMMANDS, termin


def test_every_setting_and_command_stands_in_the_reference_as_the_code_has_it() -> None:
    # In a process of its own: click remembers in each command how its help was first asked for.
    checked = subprocess.run(
        [sys.executable, "-m", "config.reference", "--check"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_setting_says_what_it_means() -> None:
    text = reference.settings_reference()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == len(reference.settings_keys())
    assert [row for row in rows if row.rstrip(" |").count("|") < 4] == []


def test_every_command_and_option_has_its_help() -> None:
    silent = []

    def visit(command: click.Command, path: str) -> None:
        if not (command.help or "").strip():
            silent.append(path)
        silent.extend(
            f"{path} {parameter.name}"
            for parameter in command.params
            if isinstance(parameter, click.Option) and not parameter.help
        )
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                found = command.get_command(context, name)
                assert found is not None
                visit(found, f"{path} {name}")

    visit(termin, "termin")
    assert silent == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_bears_the_name_it_is_listed_under(name: str) -> None:
    command = termin.get_command(click.Context(termin), name)
    assert command is not None
    assert command.name == name


def test_a_setting_that_is_not_in_the_page_is_found(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    for page in reference.PAGES:
        text = (reference.DOCS / page).read_text("utf-8")
        (tmp_path / page).write_text(text.replace("| `site_port` |", "| `site_prot` |"), "utf-8")
    monkeypatch.setattr(reference, "DOCS", tmp_path)
    assert "configuration.md" in reference.outdated(write=False)
