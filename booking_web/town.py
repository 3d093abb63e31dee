"""The town as its citizens see it: offices, services with their documents and fees, contacts, legal data, looks.

Plain values, built by the composition root from the town's configuration (`config.compose`); no Flask, no calendar.
What the calendar server knows of an office (clerks, working times) isn't here: the public site has no list of people.

Everything that is shown is a `Texts`: one text for each language tag, German ("de") always among them.
Read it with `in_language`. An empty mapping means "nothing to say": leave the paragraph out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from optimizer.release import Release

if TYPE_CHECKING:
    from pathlib import Path
    from zoneinfo import ZoneInfo

Texts = Mapping[str, str]
"""One text per language tag ("de", "en", …)."""

DEFAULT_LANGUAGE = "de"
EASY = "leicht"
"""Leichte Sprache: German by rules of its own, and to the program a language among the others."""
LANGUAGES = (DEFAULT_LANGUAGE, "en", "tr", "uk", "ar", EASY)
"""All that the program has texts in."""
RIGHT_TO_LEFT = frozenset({"ar"})


def locale_of(language: str) -> str:
    """Return the name of a language's locale for Babel."""
    return {EASY: "de", "en": "en_GB"}.get(language, language)


def language_tag(language: str) -> str:
    """Return what `lang` attributes and headers call a language (BCP 47; "simple" is a registered variant)."""
    return "de-simple" if language == EASY else language


def in_language(texts: Texts, language: str) -> str:
    """Return the text in `language`, else in German, else ""."""
    return texts.get(language) or texts.get(DEFAULT_LANGUAGE, "")


class NeededBy(StrEnum):
    """Who has to bring a document; `Document.when` says it in words where that isn't enough."""

    EVERYONE = "everyone"
    ADULT = "adult"
    CHILD = "child"
    FIRST_TIME = "first-time"
    """Only for the first document of this kind, or the first one issued by this town."""
    CHANGED = "changed"
    """Only after a change, such as a new name."""
    LOST = "lost"
    REPRESENTED = "represented"
    """Only if somebody comes for somebody else."""
    SOMETIMES = "sometimes"
    """In other cases: `Document.when` names them."""


class LinkKind(StrEnum):
    """What a link is for."""

    ONLINE = "online"
    """The whole thing can be done there, without an appointment ("geht auch online")."""
    FORM = "form"
    """A form to print or fill in beforehand."""
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Link:
    """A link with its label; `hint` says what one needs there (such as the online identity card with its PIN)."""

    url: str
    label: Texts
    kind: LinkKind = LinkKind.INFORMATION
    hint: Texts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """Something to bring along.

    `id` is the same in every service that asks for it, so that a list over several services names it once.
    `per_person` is False where one is enough for the whole family (the landlord's confirmation).
    """

    id: str
    name: Texts
    hint: Texts = field(default_factory=dict)
    needed_by: NeededBy = NeededBy.EVERYONE
    when: Texts = field(default_factory=dict)
    """The condition in words, as the end of "wenn …" or a short phrase; empty if `needed_by` says it all."""
    per_person: bool = True
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Fee:
    """What it costs: `cents` of a euro (0 is free of charge) for the case that `label` names."""

    cents: int
    label: Texts = field(default_factory=dict)
    """For whom or for what ("ab 24 Jahren"); empty if there's only one fee."""
    additional: bool = False
    """True for a surcharge on top of another fee (express, 48 pages)."""


@dataclass(frozen=True, slots=True)
class Service:
    """Something citizens come for (to them: Anliegen).

    It takes `minutes` for the first person and `extra_minutes` for each further one. Of several services at once, each after
    the first saves its `setup_minutes` (greeting, checking the identity). All are whole minutes.
    """

    id: str
    name: Texts
    minutes: int
    summary: Texts = field(default_factory=dict)
    """One sentence: what it is, for somebody who doesn't know the official word."""
    extra_minutes: int = 0
    setup_minutes: int = 0
    max_persons: int = 1
    """1: the number of persons isn't asked."""
    persons_label: Texts = field(default_factory=dict)
    """What is counted, if not persons ("Dokumente"); empty: persons."""
    documents: tuple[Document, ...] = ()
    fees: tuple[Fee, ...] = ()
    fee_note: Texts = field(default_factory=dict)
    """How to pay, exemptions, or why there's no figure."""
    notes: tuple[Texts, ...] = ()
    """Good to know: who must come in person, how long it takes, where to collect it; each a paragraph of plain language."""
    links: tuple[Link, ...] = ()
    search_words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Everyday words per language that find this service besides its name ("Ausweis", "Perso")."""
    group: str = ""
    """Id of the heading it's listed under (`Town.groups`); empty: none."""
    asks_remarks: bool = False
    remarks_label: Texts = field(default_factory=dict)
    """The question above the remarks ("Was möchten Sie beglaubigen lassen?"); empty: a general one."""
    needs_phone: bool = False
    """True if the telephone number must be given (it is always optional otherwise)."""


@dataclass(frozen=True, slots=True)
class ReleaseRules:
    """Which appointments are offered, and until when a citizen may change hers."""

    public: Release = field(default_factory=Release)
    """What the public may book when: the same rules by which the calendar server accepts it."""
    step_minutes: int = 15
    """Starts lie on this grid, counted from midnight by the office's clock; a multiple of 5."""
    change_until_minutes: int = 0
    """Moving and cancelling online end this long before the appointment starts."""
    hold_minutes: int = 10
    """How long a chosen time is kept while she enters her data."""
    max_services: int = 4
    """How many services can be chosen at once."""
    max_minutes: int = 120
    """No single appointment is longer; above that, the site asks to telephone."""
    max_group: int = 1
    """How many appointments a group books at once, if everybody needs one of her own; 1: it isn't asked."""

    def may_change(self, start: datetime, now: datetime) -> bool:
        """Tell whether an appointment at `start` may still be moved or cancelled online at `now` (both aware)."""
        return now < start - timedelta(minutes=self.change_until_minutes)


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; `building` is a line above the street (such as "Rathaus, Erdgeschoss")."""

    street: str
    postal_code: str
    city: str
    building: Texts = field(default_factory=dict)

    def one_line(self) -> str:
        """Return "Street 1, 12345 City", as it stands in LOCATION."""
        return f"{self.street}, {self.postal_code} {self.city}"


@dataclass(frozen=True, slots=True)
class OfficeInfo:
    """An office as citizens see it. `email` is the mailbox that mails come from and that is their organizer."""

    id: str
    name: Texts
    zone: ZoneInfo
    address: Address
    email: str
    phone: str
    services: tuple[str, ...]
    """Ids of its services, in the order to list them."""
    release: ReleaseRules = ReleaseRules()
    waiting: bool = False
    """True if citizens can put themselves on a waiting list."""
    map_url: str = ""
    by_appointment: Texts = field(default_factory=dict)
    """When one needs an appointment, in words ("Montag 8 bis 16 Uhr, Mittwoch 8 bis 12 Uhr")."""
    walk_in: Texts = field(default_factory=dict)
    """When one may come without, in words."""
    directions: Texts = field(default_factory=dict)
    """Bus, parking, entrance."""
    accessibility: Texts = field(default_factory=dict)
    """Step-free access, lift, hearing loop, parking for disabled people."""
    notice: Texts = field(default_factory=dict)
    """A notice for all who book here, such as a temporary entrance."""


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """Who runs the site, for the imprint (§ 5 DDG, § 18 MStV)."""

    name: str
    represented_by: Texts
    address: Address
    phone: str
    email: str
    vat_id: str = ""
    responsible: str = ""
    """Who answers for the content (§ 18 (2) MStV): name or post."""
    supervision: Texts = field(default_factory=dict)
    """The supervisory authority."""


@dataclass(frozen=True, slots=True)
class DataProtection:
    """Contacts and periods for the privacy notice (Art. 13 GDPR)."""

    officer: Texts
    """Name or post of the data protection officer."""
    email: str
    phone: str = ""
    address: Address | None = None
    authority: Texts = field(default_factory=dict)
    """The supervisory authority, where one may complain."""
    authority_url: str = ""
    legal_basis: Texts = field(default_factory=dict)
    retention_days: int = 30
    """Personal data of an appointment is deleted this many days after it."""
    log_days: int = 7
    """Server logs (without personal data in URLs) are kept this long."""
    recipients: Texts = field(default_factory=dict)
    """Who else processes the data (the host, the mail provider); empty: nobody."""


@dataclass(frozen=True, slots=True)
class AccessibilityContact:
    """What the accessibility statement needs (§ 10b BGG NRW, § 4 BITVNRW; EU 2018/1523)."""

    email: str
    phone: str = ""
    status: str = "partly"
    """How far the site conforms: "full", "partly" or "not"."""
    assessed: date | None = None
    """The day of the (self-)assessment on which the statement rests."""
    law: Texts = field(default_factory=dict)
    """The Land's law that the statement follows."""
    known_gaps: tuple[Texts, ...] = ()
    """What isn't accessible yet, why, and what there is instead."""
    enforcement: Texts = field(default_factory=dict)
    """The body to turn to if the town doesn't answer (ombudsperson, Schlichtungsstelle)."""
    enforcement_url: str = ""
    enforcement_email: str = ""


@dataclass(frozen=True, slots=True)
class Looks:
    """The town's colours ("#rrggbb") and coat of arms; `config.settings` checks that text on them has enough contrast."""

    primary: str = "#1b4f72"
    on_primary: str = "#ffffff"
    accent: str = "#f2b705"
    coat_of_arms: Path | None = None
    mail_emblem: Path | None = None
    """A PNG for the head of HTML mails."""
    """An SVG or PNG file beside the configuration; None: the name alone."""
    coat_of_arms_alt: Texts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReminderRule:
    """When a reminder that was asked for leaves: `days_before` the appointment, at `at` by the office's clock."""

    days_before: int = 1
    at: time = time(10)


@dataclass(frozen=True, slots=True)
class ServiceGroup:
    """A heading that services are listed under."""

    id: str
    name: Texts


@dataclass(frozen=True, slots=True)
class Town:
    """The whole town. `base_url` is the public site's address without a trailing slash; `host` its host name.

    `mail_sender` is the name beside an office's address in mails ("Stadt Meschede").
    """

    name: str
    official_name: Texts
    zone: ZoneInfo
    base_url: str
    host: str
    mail_sender: str
    legal: LegalEntity
    data_protection: DataProtection
    accessibility: AccessibilityContact
    offices: tuple[OfficeInfo, ...]
    services: tuple[Service, ...]
    groups: tuple[ServiceGroup, ...] = ()
    languages: tuple[str, ...] = ("de", "en")
    """The first is the one without a prefix in the URL."""
    informal: bool = False
    """True if the German texts say "du"; Leichte Sprache says "Sie" all the same, as its rules ask."""
    homepage: str = ""
    phone: str = ""
    """The town's switchboard, for those who can't or don't want to book online."""
    looks: Looks = Looks()
    reminder: ReminderRule = ReminderRule()
    notice: Texts = field(default_factory=dict)
    """A line on every page, such as "a model, not the town's own site"; empty: none."""

    def office(self, office_id: str) -> OfficeInfo | None:
        """Return the office of that id, or None."""
        return next((office for office in self.offices if office.id == office_id), None)

    def service(self, service_id: str) -> Service | None:
        """Return the service of that id, or None."""
        return next((service for service in self.services if service.id == service_id), None)

    def services_of(self, office: OfficeInfo) -> tuple[Service, ...]:
        """Return the office's services in its order."""
        by_id = {service.id: service for service in self.services}
        return tuple(by_id[service_id] for service_id in office.services if service_id in by_id)
