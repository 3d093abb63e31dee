"""The town's colours and coat of arms, as static files of their own: the policy allows nothing inline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from booking_web.town import Looks


def emblem_name(looks: Looks) -> str:
    """Return the static name of the coat of arms; "" if there's none."""
    return f"town/emblem{looks.coat_of_arms.suffix.lower()}" if looks.coat_of_arms else ""


def town_assets(looks: Looks) -> dict[str, bytes]:
    """Return the generated static files: the colours as CSS variables, and the coat of arms."""
    colours = (
        ":root {\n"
        f"  --town-primary: {looks.primary};\n"
        f"  --town-on-primary: {looks.on_primary};\n"
        f"  --town-accent: {looks.accent};\n"
        "}\n"
    )
    files = {"town/town.css": colours.encode()}
    if looks.coat_of_arms:
        files[emblem_name(looks)] = looks.coat_of_arms.read_bytes()
    return files
