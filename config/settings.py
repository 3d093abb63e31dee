"""Reading a town's configuration from its folder, with every mistake told at once.

The folder holds `town.toml`, `services.toml`, `offices.toml` and, if wanted, `server.toml`. What a table may contain is in
`config.schema`; what must hold between tables is in `config.checks`; `config.compose` makes of it what the parts need.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from booking_web.town import LANGUAGES
from config import checks
from config.mistakes import ConfigError, Mistake, dotted, in_words, similar
from config.schema import OfficesFile, ServerFile, ServicesFile, TownFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic.fields import FieldInfo

ENVIRONMENT = "environment"
PREFIX = "TERMIN_"
FOLDERS = ("TERMIN_CONFIG", "TERMIN_DATA")
"""Variables that name the folders, read by the command line."""
FOR_TESTS = "TERMIN_TEST_"
"""Variables for the project's own tests; no part of the program reads them."""
_ENCODING_HINT = "isn't text in UTF-8"

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Settings:
    """A configuration without mistakes, as it stood in the files of `directory`, with the environment applied."""

    directory: Path
    town: TownFile
    services: ServicesFile
    offices: OfficesFile
    server: ServerFile

    def with_ports(
        self, *, site: int | None, staff: int | None, dav: int | None, host: str | None
    ) -> Settings:
        """Return the same with what the command line says; None leaves a value as it is."""
        given = {"site_port": site, "staff_port": staff, "dav_port": dav, "host": host}
        update = {key: value for key, value in given.items() if value is not None}
        server = self.server.server.model_copy(update=update)
        return replace(self, server=self.server.model_copy(update={"server": server}))


def load(
    path: Path,
    *,
    environment: Mapping[str, str] | None = None,
    people: bool = True,
    regions: bool = True,
) -> Settings:
    """Read the configuration in the folder `path`; `environment` is os.environ unless given.

    `people=False` is for a host that runs the public site alone: clerks may be left out there. `regions=False` leaves out the check
    of holiday regions, which takes half a second: for a process whose supervisor has made it. Raises ConfigError.
    """
    mistakes: list[Mistake] = []
    if not path.is_dir():
        wrong = "isn't a folder" if path.exists() else "there is no such folder"
        raise ConfigError([Mistake(str(path), "", wrong)])
    raw = {
        name: _read(path / name, mistakes, required=name != checks.SERVER)
        for name in (checks.TOWN, checks.SERVICES, checks.OFFICES, checks.SERVER)
    }
    unreadable = {mistake.file for mistake in mistakes}
    origins = _apply_environment(
        raw[checks.SERVER], os.environ if environment is None else environment, mistakes
    )
    languages = _languages(raw[checks.TOWN], "languages")
    complete = _languages(raw[checks.TOWN], "complete_languages")
    context = {
        "directory": path,
        "regions": regions,
        "languages": languages,
        # German always: it stands where another language has no text.
        "complete_languages": tuple(each for each in languages if each == "de" or each in complete),
    }
    known = {name: raw[name] for name in raw if name not in unreadable}
    town = _validate(TownFile, checks.TOWN, known, context, mistakes)
    services = _validate(ServicesFile, checks.SERVICES, known, context, mistakes)
    offices = _validate(OfficesFile, checks.OFFICES, known, context, mistakes)
    server = _validate(ServerFile, checks.SERVER, known, context, mistakes, origins=origins)
    if not unreadable:
        mistakes += checks.check(raw, people=people)
    if mistakes or town is None or services is None or offices is None or server is None:
        raise ConfigError(mistakes)
    return Settings(path, town, services, offices, server)


def environment_names() -> dict[str, tuple[str, str]]:
    """Return the section and key that each environment variable stands for; lists of tables have none."""
    return {
        f"{PREFIX}{section}_{key}".upper(): (section, key)
        for section, table in ServerFile.model_fields.items()
        for key, field in _model_of(table).model_fields.items()
        if table_in(field) is None
    }


def _languages(town: dict[str, Any], key: str) -> tuple[str, ...]:
    # Without a town that can be read, no text is in a wrong language.
    value = town.get(key, ["de", "en"] if town or key != "languages" else list(LANGUAGES))
    is_list_of_texts = (
        isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
    )
    return tuple(value) if is_list_of_texts else ("de",)


def _read(file: Path, mistakes: list[Mistake], *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        if required:
            mistakes.append(Mistake(file.name, "", "there is no such file in this folder"))
    except UnicodeDecodeError:
        mistakes.append(Mistake(file.name, "", _ENCODING_HINT))
    except tomllib.TOMLDecodeError as error:
        mistakes.append(Mistake(file.name, "", f"isn't valid TOML: {error}"))
    except OSError as error:
        mistakes.append(Mistake(file.name, "", f"can't be read: {error.strerror}"))
    return {}


def _apply_environment(
    server: dict[str, Any], environment: Mapping[str, str], mistakes: list[Mistake]
) -> dict[tuple[str, str], str]:
    """Put what the environment says into `server`; return which keys came from which variable."""
    names = environment_names()
    is_number = {
        name: _model_of(ServerFile.model_fields[section]).model_fields[key].annotation is int
        for name, (section, key) in names.items()
    }
    origins = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name in FOLDERS or name.startswith(FOR_TESTS):
            continue
        if name not in names:
            mistakes.append(Mistake(ENVIRONMENT, name, f"isn't a known setting{similar(name, names)}"))
            continue
        section, key = names[name]
        table = server.setdefault(section, {})
        if isinstance(table, dict):
            number = is_number[name] and value.isascii() and value.isdecimal() and len(value) < 10
            table[key] = int(value) if number else value
            origins[section, key] = name
    return origins


def _validate(
    model: type[_Model],
    file: str,
    files: dict[str, dict[str, Any]],
    context: dict[str, Any],
    mistakes: list[Mistake],
    *,
    origins: Mapping[tuple[str, str], str] | None = None,
) -> _Model | None:
    if file not in files:
        return None
    raw = files[file]
    try:
        return model.model_validate(raw, context=context)
    except ValidationError as failed:
        errors = failed.errors(include_url=False)
        for error in errors:
            location = error["loc"]
            if error["type"] == "too_short" and any(_inside(other["loc"], location) for other in errors):
                continue  # pydantic counts good items only: the list isn't too short, something in it is wrong
            reason = in_words(error, _keys_at(model, location[:-1]))
            variable = (origins or {}).get((str(location[0]), str(location[-1]))) if location else None
            if variable:
                mistakes.append(Mistake(ENVIRONMENT, variable, reason))
            else:
                mistakes.append(Mistake(file, dotted(raw, location), reason))
    return None


def _inside(location: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(location) > len(outer) and location[: len(outer)] == outer


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> Iterator[str]:
    """Yield the keys that may stand in the table at `location`."""
    for step in location:
        if isinstance(step, int):
            continue
        field = next(
            (field for name, field in model.model_fields.items() if step in {name, field.alias}), None
        )
        table = table_in(field) if field is not None else None
        if table is None:
            return
        model = table
    for name, field in model.model_fields.items():
        yield field.alias or name


def table_in(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of the table, or of the list of tables, that the field holds; None if it holds plain values."""

    def search(annotation: Any) -> type[BaseModel] | None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation if "root" not in annotation.model_fields else None
        return next((found for part in get_args(annotation) if (found := search(part))), None)

    return search(field.annotation)


def _model_of(field: FieldInfo) -> type[BaseModel]:
    table = table_in(field)
    if table is None:
        raise TypeError("every key of server.toml's top level is a table")
    return table
