"""Values from JSON, read with their place: what is wrong is named as `clerks[1].free[0][2]`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 40
"""Characters of a wrong value that a message shows."""
MOST = 10**6
"""No number of grains, and no day, is larger; sums of them stay far from what a machine's integers hold."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value and where it stands. All readings raise ValueError that begins with the place."""

    place: str
    value: Any

    def wrong(self, reason: str) -> ValueError:
        """Say what is wrong with the value."""
        return ValueError(f"{self.place}: {reason}")

    def _not(self, kind: str) -> ValueError:
        shown = repr(self.value)
        return self.wrong(f"{shown if len(shown) <= SHOWN else shown[:SHOWN] + '…'} is not {kind}")

    def get(self, key: str) -> Field | None:
        """Give a member of an object; None where it is missing or null."""
        if not isinstance(self.value, dict):
            raise self._not("an object")
        if self.value.get(key) is None:
            return None
        return Field(f"{self.place}.{key}" if self.place else key, self.value[key])

    def __getitem__(self, key: str) -> Field:
        """Give a member that must be there."""
        found = self.get(key)
        if found is None:
            reason = f"there is no {key!r}"
            raise self.wrong(reason) if self.place else ValueError(reason)
        return found

    def items(self) -> Iterator[Field]:
        """Give the members of a list."""
        if not isinstance(self.value, list):
            raise self._not("a list")
        return (Field(f"{self.place}[{number}]", value) for number, value in enumerate(self.value))

    def whole(self, least: int = -MOST, most: int = MOST) -> int:
        """Give a whole number within these bounds, both included."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._not("a whole number")
        if isinstance(value, float) and not value.is_integer():
            raise self._not("a whole number")
        if not least <= value <= most:
            raise self._not(f"between {least} and {most}")
        return int(value)

    def flag(self) -> bool:
        """Give true or false."""
        if not isinstance(self.value, bool):
            raise self._not("true or false")
        return self.value

    def id(self) -> int | str:
        """Give a whole number or a text that names something."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | str):
            raise self._not("a number or text that can be an id")
        return self.value
