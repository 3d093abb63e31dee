"""The reference of settings and commands in `docs/`, made of the code: `python -m config.reference`, or `--check` to only compare.

A setting's text is the one below its key in `config.schema`, a command's the one that `--help` shows. So nothing is undocumented, and
nothing in the documentation is out of date.
"""

from __future__ import annotations

import argparse
import sys
from datetime import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import click
from pydantic import BaseModel

from config.cli import termin
from config.schema import OfficesFile, ServerFile, ServicesFile, Text, TownFile
from config.settings import environment_names, table_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

DOCS = Path(__file__).parents[1] / "docs"
BEGIN = "<!-- made by `make docs` from here on; don't edit -->"
FILES: dict[str, type[BaseModel]] = {
    "town.toml": TownFile,
    "services.toml": ServicesFile,
    "offices.toml": OfficesFile,
    "server.toml": ServerFile,
}


def settings_reference() -> str:
    """Return the reference of all keys of all files, in Markdown."""
    lines: list[str] = []
    variables = {where: name for name, where in environment_names().items()}
    for name, model in FILES.items():
        lines += [f"## {name}", "", _first_paragraph(model), ""]
        lines += _tables(model, "", variables if model is ServerFile else {})
    return "\n".join(lines)


def commands_reference() -> str:
    """Return the reference of all commands, in Markdown: what `--help` shows."""
    lines: list[str] = []
    for context in _contexts(termin, "termin", None):
        lines += [f"## {context.command_path}", "", "```text", context.get_help(), "```", ""]
    return "\n".join(lines)


def settings_keys() -> set[tuple[str, str]]:
    """Return every (table, key) that the models know; a table is named as in the reference."""
    found = set()
    for name, model in FILES.items():
        for table, inner in _walk(model, ""):
            found |= {
                (f"{name} {table}".strip(), _key(key, field)) for key, field in inner.model_fields.items()
            }
    return found


def _contexts(command: click.Command, name: str, parent: click.Context | None) -> Iterator[click.Context]:
    """Yield a context for the command and each below it, as click itself would make them, but of a fixed width."""
    given = {**command.context_settings, "max_content_width": 100, "terminal_width": 100}
    context = click.Context(command, parent=parent, info_name=name, **given)
    yield context
    if isinstance(command, click.Group):
        for inner_name in command.list_commands(context):
            inner = command.get_command(context, inner_name)
            assert inner is not None
            yield from _contexts(inner, inner_name, context)


def _walk(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield each table with its path once, the outer ones first."""
    yield path, model
    for key, field in model.model_fields.items():
        inner = table_in(field)
        if inner is not None:
            yield from _walk(inner, f"{path}.{key}" if path else key)


def _tables(model: type[BaseModel], path: str, variables: dict[tuple[str, str], str]) -> list[str]:
    lines = []
    for table, inner in _walk(model, path):
        if table:
            lines += [f"### {table}", "", _first_paragraph(inner), ""]
        lines += ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
        for name, field in inner.model_fields.items():
            variable = variables.get((table, name))
            meaning = (field.description or "").replace("\n", " ").replace("|", "\\|")
            if variable:
                meaning += f" Environment: `{variable}`."
            lines.append(f"| `{_key(name, field)}` | {_kind(field)} | {_default(field)} | {meaning} |")
        lines.append("")
    return lines


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name


def _first_paragraph(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " ").strip()


def _kind(field: FieldInfo) -> str:
    inner = table_in(field)
    many = get_origin(_without_none(field.annotation)) is tuple
    if inner is not None:
        return "list of tables" if many else "table"
    annotation = _without_none(field.annotation)
    if get_origin(annotation) is tuple:
        return "list of texts in each language" if Text in get_args(annotation) else "list of texts"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is dict:
        return "for each language a list of texts"
    names: dict[Any, str] = {
        Text: "text in each language",
        str: "text",
        int: "whole number",
        float: "number",
        bool: "`true` or `false`",
        time: "time of day",
    }
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _without_none(annotation: Any) -> Any:
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    if type(None) not in get_args(annotation) or len(kinds) != 1:
        return annotation
    return get_args(kinds[0])[0] if get_origin(kinds[0]) is Annotated else kinds[0]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, time):
        return f"`{value:%H:%M}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value in (None, "", (), {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value}`"


PAGES = {"configuration.md": settings_reference, "commands.md": commands_reference}


def outdated(*, write: bool) -> list[str]:
    """Return the names of the pages whose reference isn't what the code says; with `write`, bring them up to date."""
    found = []
    for name, reference in PAGES.items():
        file = DOCS / name
        text = file.read_text("utf-8")
        head, mark, _ = text.partition(BEGIN)
        if not mark:
            raise ValueError(f"{name} has no line {BEGIN!r}")
        wanted = f"{head}{BEGIN}\n\n{reference().rstrip()}\n"
        if text != wanted:
            found.append(name)
            if write:
                file.write_text(wanted, "utf-8")
    return found


def main(arguments: list[str]) -> int:
    """Bring the pages up to date, or with `--check` tell which aren't; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m config.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only tell which pages aren't up to date")
    check: bool = parser.parse_args(arguments).check
    found = outdated(write=not check)
    if check:
        for name in found:
            click.echo(f"docs/{name} isn't what the code says: run make docs", err=True)
    return 1 if check and found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
