"""Who imports what, read from the source: every import statement, wherever it stands, those for the type checker included.

An import under `if TYPE_CHECKING:` counts as well: a name in a signature is knowledge of the other part just the same.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("booking_web", "calendar_server", "config", "optimizer")


@dataclass(frozen=True)
class Import:
    module: str
    """Dotted name of the module that imports."""
    name: str
    """Dotted name of what it imports; for `from a import b`, "a.b"."""
    line: int
    at_start: bool
    """True if it's carried out as soon as the module is imported."""

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.name}"


def module_name(file: Path, root: Path = ROOT) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source: str, module: str, *, is_package: bool = False) -> list[Import]:
    found: list[Import] = []

    def visit(node: ast.AST, *, at_start: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend(Import(module, alias.name, child.lineno, at_start) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    parents = module.split(".") if is_package else module.split(".")[:-1]
                    parents = parents[: len(parents) - child.level + 1]
                    base = ".".join([*parents, *([base] if base else [])])
                found.extend(
                    Import(module, f"{base}.{alias.name}", child.lineno, at_start) for alias in child.names
                )
            else:
                later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                for_types = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
                visit(child, at_start=at_start and not later and not for_types)

    visit(ast.parse(source), at_start=True)
    return found


def all_imports() -> list[Import]:
    return [
        found
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*.py"))
        for found in imports_of(
            file.read_text("utf-8"), module_name(file), is_package=file.name == "__init__.py"
        )
    ]


def within(name: str, *parents: str) -> bool:
    return any(name == parent or name.startswith(f"{parent}.") for parent in parents)
