"""A town's folder to spoil: a copy of the example, in which a test changes what matters to it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.mistakes import ConfigError
from config.settings import Settings, load

MESCHEDE = Path(__file__).parents[2] / "config" / "meschede"


@dataclass
class Folder:
    path: Path

    def replace(self, file: str, old: str, new: str) -> Folder:
        text = (self.path / file).read_text("utf-8")
        assert old in text, f"{old!r} isn't in {file}"
        (self.path / file).write_text(text.replace(old, new, 1), "utf-8")
        return self

    def write(self, file: str, text: str) -> Folder:
        (self.path / file).write_text(text, "utf-8")
        return self

    def load(self, *, people: bool = True, **environment: str) -> Settings:
        return load(self.path, environment=environment, people=people)

    def mistakes(self, *, people: bool = True, **environment: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load(people=people, **environment)
        return [str(mistake) for mistake in caught.value.mistakes]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "town"
    shutil.copytree(MESCHEDE, path)
    return Folder(path)
