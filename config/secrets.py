"""The program's own secrets: made at the first start, kept in `secrets.toml` of the data folder, readable by its owner alone.

Several hosts share them by the section `secrets` of the configuration (environment `TERMIN_SECRETS_…`), which goes first.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tomllib
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from config.schema import Secrets as SecretsTable

FILE = "secrets.toml"
_BYTES = 32


class SecretsError(Exception):
    """The secrets can't be read, or don't fit the way the program was started; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the processes authenticate to each other with, and sign with. `demo`: the data folder was set up with --demo."""

    site_password: str
    worker_password: str
    signing_secret: str
    session_secret: str
    demo: bool = False

    def __repr__(self) -> str:
        return "Secrets(…)"


def ensure(data: Path, table: SecretsTable, *, demo: bool) -> Secrets:
    """Return the secrets of the data folder, made now if there are none; those of the configuration go first.

    Raises SecretsError if they can't be read, or if the folder was set up for the demo and is used without it, or the other way round.
    """
    file = data / FILE
    if not file.exists():
        _write(file, demo=demo)
    kept = read(data)
    if kept.demo and not demo:
        raise SecretsError(
            f"{data} was set up with --demo: its accounts have public passwords. Use another folder (--data)."
        )
    if demo and not kept.demo:
        raise SecretsError(
            f"{data} was set up without --demo, and --demo would give its accounts public passwords. Use another folder (--data)."
        )
    given = {key: value for key, value in table if value}
    return Secrets(**{**asdict(kept), **given})


def read(data: Path) -> Secrets:
    """Return the secrets that are kept in the data folder. Raises SecretsError."""
    file = data / FILE
    try:
        mode = file.stat().st_mode
        found = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SecretsError(f"{file} can't be read: {error}") from error
    if mode & 0o077:
        raise SecretsError(f"{file} can be read by others; run: chmod 600 {file}")
    texts = [field.name for field in fields(Secrets) if field.name != "demo"]
    wrong = [name for name in texts if not isinstance(found.get(name), str) or len(found[name]) < _BYTES]
    if wrong:
        raise SecretsError(f"{file} has no usable {', '.join(wrong)}")
    return Secrets(**{name: found[name] for name in texts}, demo=found.get("demo") is True)


def _write(file: Path, *, demo: bool) -> None:
    """Write new secrets; of two processes that start at once, one wins and both use its secrets."""
    lines = [
        "# Secrets of this installation. Whoever reads them can book, read and sign as the program does.",
        *(
            f'{field.name} = "{secrets.token_urlsafe(_BYTES)}"'
            for field in fields(Secrets)
            if field.name != "demo"
        ),
        f"demo = {'true' if demo else 'false'}",
    ]
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write("\n".join(lines) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        # A link, unlike a rename, never replaces what is there.
        with contextlib.suppress(FileExistsError):
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
