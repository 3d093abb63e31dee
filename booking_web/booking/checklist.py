"""What to bring along: the documents of all chosen services as one list, each document once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from booking_web.town import NeededBy

if TYPE_CHECKING:
    from booking_web.booking.choice import Choice
    from booking_web.town import Document, Service


@dataclass(frozen=True, slots=True)
class Item:
    """One document, the services that ask for it, and for how many persons at most (1: one is enough)."""

    document: Document
    services: tuple[Service, ...]
    copies: int


def checklist(choice: Choice) -> tuple[Item, ...]:
    """Return the documents for the choice: what everyone needs first, then what is needed in certain cases.

    A document that several services ask for (the same id, condition and link) appears once.
    """
    found: dict[tuple[str, str, str], Item] = {}
    for service, persons in choice.chosen:
        for document in service.documents:
            key = (document.id, document.needed_by.value, str(sorted(document.when.items())))
            copies = persons if document.per_person else 1
            known = found.get(key)
            if known is None:
                found[key] = Item(document, (service,), copies)
            else:
                found[key] = Item(known.document, (*known.services, service), max(known.copies, copies))
    return tuple(sorted(found.values(), key=lambda item: item.document.needed_by is not NeededBy.EVERYONE))
