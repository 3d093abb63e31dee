"""What stands in a town's TOML files: one model for each table, each key with its meaning.

The texts below the keys are the reference: `docs/configuration.md` is made of them (see `config.reference`).
What needs more than one table (references between them, overlaps) is in `config.checks`.
"""

from __future__ import annotations

import re
from datetime import date, time
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from booking_web.town import LANGUAGES, LinkKind, NeededBy

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
RESERVED_IDS = frozenset({"admin", "feeds", "healthz", "lead", "readyz", "site", "system", "worker"})
"""Names of accounts and addresses of the program itself."""

ALL_SERVICES = "all"
"""Stands for the ids of all of an office's services."""

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_PHONE = re.compile(r"\+?[0-9][0-9 ()/-]{3,30}")
_LOGO_KB = 300
_EMBLEM_KB = 20


def _refuse_beyond_ascii(**values: str) -> None:
    """Raise ValueError for what can't be sent at a login: Python's SMTP and IMAP clients know no letters beyond ASCII there."""
    bad = [name for name, value in values.items() if not value.isascii()]
    if bad:
        raise ValueError(
            f"umlauts and the like aren't possible in {' and '.join(bad)}; please choose another"
        )


def is_id(value: str) -> bool:
    """Tell whether a text can be an id, and thereby a segment of a path."""
    return _ID.fullmatch(value) is not None and len(value) <= 40


def _id(value: str) -> str:
    if not is_id(value):
        raise ValueError(
            f"{value!r} can't be an id: use up to 40 lower case letters a-z, digits, and single hyphens between them"
        )
    return value


def _path_id(value: str) -> str:
    if value in RESERVED_IDS:
        raise ValueError(f"{value!r} is reserved for the program itself")
    return _id(value)


def _clock(value: Any) -> time:
    if isinstance(value, time):
        value = f"{value:%H:%M}" if not (value.second or value.microsecond) else value.isoformat()
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'must be a time of day such as "08:00", not {value!r}')
    return time(int(match[1]), int(match[2]))


def _on_grid(value: time) -> time:
    if value.minute % 5:
        raise ValueError(f"must be a multiple of five minutes, not {value:%H:%M}")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} isn't a known time zone (such as Europe/Berlin)") from None
    return value


def _holiday_region(value: str, info: ValidationInfo) -> str:
    if not value or not (info.context or {}).get("regions", True):
        return value
    # Only here, since it takes a while to load and most commands never need it.
    from holidays import country_holidays  # noqa: PLC0415

    country, _, subdivision = value.partition("-")
    try:
        country_holidays(country, subdiv=subdivision or None)
    except NotImplementedError:
        raise ValueError(f"{value!r} isn't a known holiday region (such as DE-NW)") from None
    return value


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value) or len(value) > 254:
        raise ValueError(f"{value!r} isn't an e-mail address")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value) or len(value) > 253:
        raise ValueError(f"{value!r} isn't a host name (lower case, without https:// and without a port)")
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(character.isspace() for character in value):
        raise ValueError(f"{value!r} isn't a web address (https://…)")
    return value


def _base_url(value: str) -> str:
    if value and (urlsplit(_url(value)).path not in {"", "/"} or "?" in value or "#" in value):
        raise ValueError("must be the address of a host alone, without a path")
    return value.rstrip("/")


def _colour(value: str) -> str:
    if not _COLOUR.fullmatch(value.lower()):
        raise ValueError(f"{value!r} isn't a colour such as #1b4f72")
    return value.lower()


def _phone(value: str) -> str:
    if not _PHONE.fullmatch(value):
        raise ValueError(f"{value!r} isn't a telephone number (digits, spaces, + ( ) / -)")
    return value


def _database_url(value: str) -> str:
    if value and not value.startswith(("postgresql+psycopg://", "sqlite:///")):
        raise ValueError('must begin with "postgresql+psycopg://" or "sqlite:///"')
    try:
        # Only read to see whether it can be.
        _ = urlsplit(value).port
    except ValueError:
        raise ValueError(
            "isn't a database's address; write @ : / ? # % and [ ] in a password as %40 %3A %2F %3F %23 %25 %5B %5D"
        ) from None
    return value


def _server_name(value: str) -> str:
    if any(character.isspace() or character in "/@" for character in value) or (
        ":" in value and not _is_ipv6(value)
    ):
        raise ValueError(f"{value!r} isn't the name of a server alone; the port has a key of its own")
    return value


def _is_ipv6(value: str) -> bool:
    try:
        return ip_address(value).version == 6
    except ValueError:
        return False


def _one_line(value: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("must be a single line without control characters")
    return value


Id = Annotated[str, AfterValidator(_id)]
PathId = Annotated[str, AfterValidator(_path_id)]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Clock = Annotated[time, BeforeValidator(_clock)]
GridClock = Annotated[time, BeforeValidator(_clock), AfterValidator(_on_grid)]
Zone = Annotated[str, AfterValidator(_zone)]
Email = Annotated[str, AfterValidator(_email)]
Host = Annotated[str, AfterValidator(_host)]
ServerName = Annotated[str, AfterValidator(_server_name)]
Url = Annotated[str, AfterValidator(_url)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Colour = Annotated[str, AfterValidator(_colour)]
Phone = Annotated[str, AfterValidator(_phone)]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
GridMinutes = Annotated[StrictInt, Field(ge=5, le=480, multiple_of=5)]


class Table(BaseModel):
    """A table of a file: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Text(RootModel[dict[str, str]]):
    """A text in the town's languages: `name.de = "…"`, `name.en = "…"`; where one may be left out, German stands for it."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _complete(self, info: ValidationInfo) -> Text:
        languages: tuple[str, ...] = (info.context or {}).get("languages", ("de",))
        complete: tuple[str, ...] = (info.context or {}).get("complete_languages", languages)
        if missing := [language for language in complete if not self.root.get(language, "").strip()]:
            raise ValueError(f"has no text in {', '.join(missing)}")
        if unknown := [language for language in self.root if language not in languages]:
            raise ValueError(
                f"has a text in {', '.join(unknown)}, which isn't one of the town's languages ({', '.join(languages)})"
            )
        if any(
            ord(character) < 32 and character not in "\n\t"
            for text in self.root.values()
            for character in text
        ):
            raise ValueError("must not contain control characters")
        return self


NO_TEXT = Text.model_construct({})


class Address(Table):
    """A postal address."""

    street: Line
    """Street and house number."""
    postal_code: Line
    """Postal code."""
    city: Line
    """Town."""
    building: Text = NO_TEXT
    """A line above the street, such as the building and the floor."""


class Link(Table):
    """A link to another site."""

    url: Url
    """Address of the page."""
    label: Text
    """What it's called."""
    kind: LinkKind = LinkKind.INFORMATION
    """`online`: the whole thing can be done there without an appointment; `form`: a form to fill in beforehand; `information`."""
    hint: Text = NO_TEXT
    """What one needs there, such as the online identity card with its PIN."""


class Legal(Table):
    """Who runs the site, for the imprint."""

    name: Line
    """Name of the legal person (the town)."""
    represented_by: Text
    """Who represents it."""
    address: Address
    """Its address."""
    phone: Phone
    """Its telephone number."""
    email: Email
    """Its e-mail address."""
    vat_id: str = ""
    """VAT identification number, if there is one."""
    responsible: str = ""
    """Who answers for the content: name or post."""
    supervision: Text = NO_TEXT
    """The supervisory authority."""


class DataProtection(Table):
    """Contacts for the privacy notice."""

    officer: Text
    """Name or post of the data protection officer."""
    email: Email
    """The officer's e-mail address."""
    phone: Phone | None = None
    """The officer's telephone number."""
    address: Address | None = None
    """The officer's address."""
    authority: Text
    """The supervisory authority, where one may complain."""
    authority_url: Url
    """The authority's site."""
    legal_basis: Text
    """On which law the data is processed."""
    recipients: Text = NO_TEXT
    """Who else processes the data, such as the host; leave it out if nobody does."""


class Accessibility(Table):
    """What the accessibility statement needs."""

    email: Email
    """Where to report a barrier."""
    phone: Phone | None = None
    """Telephone number for the same."""
    status: Literal["full", "partly", "not"] = "partly"
    """How far the site conforms: `full`, `partly` or `not`."""
    assessed: date | None = None
    """Day of the assessment on which the statement rests."""
    law: Text = NO_TEXT
    """The Land's law that the statement follows."""
    known_gaps: tuple[Text, ...] = ()
    """What isn't accessible yet, why, and what there is instead."""
    enforcement: Text = NO_TEXT
    """The body to turn to if the town doesn't answer."""
    enforcement_url: Url | None = None
    """Its site."""
    enforcement_email: Email | None = None
    """Its e-mail address."""


class Looks(Table):
    """The town's colours and coat of arms."""

    primary: Colour = "#1b4f72"
    """Colour of the header and of buttons."""
    on_primary: Colour = "#ffffff"
    """Colour of text on it; the contrast must be at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    accent: Colour = "#f2b705"
    """A second colour for ornaments; never for text."""
    coat_of_arms: str = ""
    """An SVG or PNG file beside `town.toml`, at most 300 kB; empty: the name alone."""
    coat_of_arms_alt: Text = NO_TEXT
    """What the picture shows, for those who can't see it."""
    mail_emblem: str = ""
    """A PNG file beside `town.toml`, at most 20 kB, for the head of HTML mails (they can't show SVG); it travels with each mail. Empty: the name alone."""

    @field_validator("coat_of_arms")
    @classmethod
    def _readable(cls, value: str, info: ValidationInfo) -> str:
        return _picture(value, info, (".svg", ".png"), _LOGO_KB)

    @field_validator("mail_emblem")
    @classmethod
    def _small(cls, value: str, info: ValidationInfo) -> str:
        return _picture(value, info, (".png",), _EMBLEM_KB)

    @model_validator(mode="after")
    def _legible(self) -> Looks:
        ratio = contrast(self.primary, self.on_primary)
        if ratio < 4.5:
            raise ValueError(
                f"on_primary {self.on_primary} on primary {self.primary} has a contrast of {ratio:.1f} to 1; at least 4.5 is needed"
            )
        return self


def _picture(value: str, info: ValidationInfo, suffixes: tuple[str, ...], most_kb: int) -> str:
    directory: Path | None = (info.context or {}).get("directory")
    if value and directory is not None:
        if Path(value).name != value or Path(value).suffix not in suffixes:
            kinds = " or ".join(suffixes)
            article = "an" if kinds.startswith(".s") else "a"
            raise ValueError(f"must be the name of {article} {kinds} file in the same folder")
        file = directory / value
        if not file.is_file():
            raise ValueError(f"there's no file {value!r} in this folder")
        if file.stat().st_size > most_kb * 1000:
            raise ValueError(f"the file is larger than {most_kb} kB")
    return value


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours `#rrggbb`, from 1 to 21 (WCAG 2.2, definition of contrast ratio)."""

    def luminance(colour: str) -> float:
        channels = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


class Reminder(Table):
    """When reminders leave."""

    days_before: StrictInt = Field(default=1, ge=1, le=14)
    """How many days before the appointment."""
    at: Clock = time(10)
    """At which time of that day, by the office's clock."""


class Group(Table):
    """A heading that services are listed under."""

    id: Id
    """Id that services name."""
    name: Text
    """The heading."""


class TownFile(Table):
    """The town as a whole: `town.toml`."""

    name: Line
    """The town's short name."""
    official_name: Text
    """Its full official name."""
    zone: Zone = "Europe/Berlin"
    """Time zone, as the IANA database names it."""
    languages: Annotated[tuple[str, ...], Field(min_length=1)] = ("de", "en")
    """Languages of the site and of mails, of `de`, `en`, `tr`, `uk`, `ar` and `leicht` (Leichte Sprache); `de` must be the first."""
    complete_languages: tuple[str, ...] = ("de", "en")
    """Languages in which every text of these files must be there; in the others German stands, marked as such, where a text is left out."""
    address: Literal["sie", "du"] = "sie"
    """How German pages and mails speak to people: `sie` or `du`. Your own texts in these files should do the same."""
    host: Host
    """Host name that ends the ids of appointments. Choose it once and never change it, even if the site's address changes."""
    mail_sender: Line
    """Name beside the office's address in mails."""
    homepage: Url | None = None
    """The town's own site."""
    phone: Phone
    """Switchboard, for those who can't or don't want to book online."""
    notice: Text = NO_TEXT
    """A line shown on every page; leave it out for none."""
    legal: Legal
    """Who runs the site, for the imprint."""
    data_protection: DataProtection
    """Contacts for the privacy notice."""
    accessibility: Accessibility
    """What the accessibility statement needs."""
    looks: Looks = Looks()
    """Colours and coat of arms."""
    reminder: Reminder = Reminder()
    """When reminders leave."""
    groups: tuple[Group, ...] = ()
    """Headings that services are listed under."""

    @field_validator("languages")
    @classmethod
    def _german_first(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value[0] != "de":
            raise ValueError('"de" must be the first language')
        if len(set(value)) != len(value):
            raise ValueError("names a language twice")
        if wrong := [language for language in value if language not in LANGUAGES]:
            raise ValueError(f"there are no texts in {wrong[0]!r}; there are {', '.join(LANGUAGES)}")
        return value


class Document(Table):
    """Something to bring along, which services refer to by its id."""

    id: Id
    """Id that services name."""
    name: Text
    """What it is."""
    hint: Text = NO_TEXT
    """What to look out for."""
    link: Link | None = None
    """A form, or where to get it."""


def _document_use(value: Any) -> Any:
    return {"id": value} if isinstance(value, str) else value


class DocumentUse(Table):
    """A document that a service needs; the id alone, as a text, means "everyone needs it"."""

    id: Id
    """Id of a document in `documents`."""
    needed_by: NeededBy = NeededBy.EVERYONE
    """Who needs it: `everyone`, `adult`, `child`, `first-time`, `changed` (after a change of name), `lost`, `represented`, `sometimes`."""
    when: Text = NO_TEXT
    """The condition in words, where `needed_by` doesn't say it all."""
    per_person: StrictBool = True
    """`false` if one is enough for the whole family."""


class Fee(Table):
    """What a service costs in one case."""

    cents: StrictInt = Field(ge=0, le=1_000_000)
    """Amount in cents; 0 is free of charge."""
    label: Text = NO_TEXT
    """For whom or for what, if there are several."""
    additional: StrictBool = False
    """`true` for a surcharge on top of another fee."""


class ServiceRelease(Table):
    """Limits of one service; of several services in one appointment, and of the office, the narrowest counts."""

    horizon_days: StrictInt | None = Field(default=None, ge=1, le=366)
    """The last bookable day is so many days after today."""
    minimum_notice_minutes: StrictInt | None = Field(default=None, ge=0, le=20_160)
    """An appointment starts no earlier than this after the booking."""


class Service(Table):
    """Something citizens come for."""

    id: Id
    """Id that offices, clerks and other programs name. Never reuse one for something else."""
    name: Text
    """What it's called."""
    summary: Text = NO_TEXT
    """One sentence for somebody who doesn't know the official word."""
    minutes: GridMinutes
    """How long it takes for the first person."""
    extra_minutes: StrictInt = Field(default=0, ge=0, le=240, multiple_of=5)
    """How much longer for each further person."""
    setup_minutes: StrictInt = Field(default=0, ge=0, le=60)
    """What is saved if it isn't the first service of an appointment (greeting, checking the identity)."""
    max_persons: StrictInt = Field(default=1, ge=1, le=20)
    """Most persons in one appointment; 1: the number isn't asked."""
    persons_label: Text = NO_TEXT
    """What is counted, if not persons."""
    documents: tuple[Annotated[DocumentUse, BeforeValidator(_document_use)], ...] = ()
    """What to bring along."""
    fees: tuple[Fee, ...] = ()
    """What it costs."""
    fee_note: Text = NO_TEXT
    """How to pay, exemptions, or why there's no figure."""
    notes: tuple[Text, ...] = ()
    """Good to know; each a short paragraph."""
    links: tuple[Link, ...] = ()
    """Where to do it online, forms, further information."""
    search_words: dict[str, tuple[Line, ...]] = Field(default_factory=dict)
    """Everyday words for each language that find this service besides its name."""
    group: Id | None = None
    """Id of the heading it's listed under."""
    asks_remarks: StrictBool = False
    """`true` if the form asks for remarks."""
    remarks_label: Text = NO_TEXT
    """The question above the remarks."""
    needs_phone: StrictBool = False
    """`true` if the telephone number must be given."""
    release: ServiceRelease = ServiceRelease()
    """How far ahead and until when it can be booked, if that is narrower than the office's."""

    @model_validator(mode="after")
    def _setup_fits(self) -> Service:
        if self.setup_minutes >= self.minutes:
            raise ValueError(
                f"setup_minutes ({self.setup_minutes}) must be less than minutes ({self.minutes})"
            )
        return self


class ServicesFile(Table):
    """What citizens come for, and what they bring: `services.toml`."""

    documents: tuple[Document, ...] = ()
    """Everything that one or several services ask for."""
    services: Annotated[tuple[Service, ...], Field(min_length=1)]
    """The services of all offices."""


class Period(Table):
    """A weekly period."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    """Day of the week, in English."""
    start: GridClock = Field(alias="from")
    """When it begins, such as `"08:00"`."""
    end: GridClock = Field(alias="to")
    """When it ends; not after midnight."""

    @model_validator(mode="after")
    def _forward(self) -> Period:
        if self.start >= self.end:
            raise ValueError(f"must end after it begins ({self.start:%H:%M}-{self.end:%H:%M})")
        return self


class Window(Period):
    """A weekly opening window for appointments."""

    services: tuple[Id, ...] = ()
    """Ids of the only services to be booked in it; empty: all of the office's."""


def _all_services(value: Any) -> Any:
    return [ALL_SERVICES] if value == ALL_SERVICES else value


class Clerk(Table):
    """Somebody who serves citizens."""

    id: PathId
    """Account and address of her calendar (`/<id>/calendar/`)."""
    name: Line
    """Her name, for colleagues; citizens don't see it."""
    services: Annotated[tuple[Id, ...], Field(min_length=1), BeforeValidator(_all_services)]
    """Ids of the services she may do, or `"all"`."""
    working_times: Annotated[tuple[Period, ...], Field(min_length=1)]
    """When she works, week by week."""
    share: float = Field(default=1.0, gt=0, le=1, strict=True)
    """Part-time share; 1.0 is full time."""
    counter: str = ""
    """Where she sits; empty: unknown."""


class Stage(Table):
    """A share of a day that is released."""

    days_before: StrictInt = Field(ge=0, le=366)
    """It begins so many days before the day, at the office's `at`; 0: on the day itself."""
    percent: StrictInt = Field(ge=1, le=100)
    """So much of the day's room may be taken from then on: of the minutes that clerks are there for inside opening windows."""


class Returned(Table):
    """When times that citizens give back are offered to the public again: after a random number of minutes, so that nobody can pass them on."""

    after_minutes: StrictInt = Field(default=0, ge=0, le=1_440)
    """No sooner."""
    until_minutes: StrictInt = Field(default=0, ge=0, le=1_440)
    """No later; 0: at once. Near times come back sooner: at most half of what is left until nobody could book them any more is waited."""

    @model_validator(mode="after")
    def _forward(self) -> Returned:
        if self.after_minutes > self.until_minutes:
            raise ValueError(
                f"after_minutes ({self.after_minutes}) must not be more than until_minutes ({self.until_minutes})"
            )
        return self


class Release(Table):
    """Which appointments are offered, and until when a citizen may change hers."""

    horizon_days: StrictInt = Field(default=60, ge=1, le=366)
    """The last bookable day is so many days after today."""
    minimum_notice_minutes: StrictInt = Field(default=60, ge=0, le=20_160)
    """An appointment starts no earlier than this after the booking."""
    at: Clock = time()
    """At which time of day a new day comes into the horizon and shares are released."""
    shares: tuple[Stage, ...] = ()
    """How much of each day the public may take, and from when on; empty: all of it as soon as the day can be booked."""
    returned: Returned = Returned()
    """When times that citizens give back are offered again."""
    step_minutes: Literal[5, 10, 15, 20, 30, 60] = 15
    """Starts lie on this grid, counted from midnight."""
    change_until_minutes: StrictInt = Field(default=0, ge=0, le=20_160)
    """Moving and cancelling online end so long before the appointment."""
    hold_minutes: StrictInt = Field(default=10, ge=2, le=60)
    """How long a chosen time is kept while she enters her data."""
    max_services: StrictInt = Field(default=4, ge=1, le=20)
    """How many services can be chosen at once."""
    max_minutes: StrictInt = Field(default=120, ge=5, le=480)
    """No appointment booked online is longer."""
    max_group: StrictInt = Field(default=1, ge=1, le=8)
    """How many appointments can be booked at once for a group in which everybody needs one of her own; 1: it isn't asked."""

    @model_validator(mode="after")
    def _ascending(self) -> Release:
        for earlier, later in pairwise(self.shares):
            if later.days_before >= earlier.days_before or later.percent <= earlier.percent:
                raise ValueError(
                    f"shares must stand in their order: after {earlier.percent} % from {earlier.days_before} days before on, "
                    f"{later.percent} % from {later.days_before} days before on can't follow"
                )
        if self.shares and self.shares[0].days_before > self.horizon_days:
            raise ValueError(
                f"the first share begins {self.shares[0].days_before} days before, but the horizon is {self.horizon_days} days"
            )
        return self


class Waiting(Table):
    """The waiting list: what becomes free is offered to one person after another before everybody can book it."""

    enabled: bool = False
    """`true`: citizens can put themselves on the list. `false` closes it: nothing is offered any more, offers that were made still hold."""
    offer_minutes: StrictInt = Field(default=240, ge=30, le=2_880)
    """So long an offer lasts, counting only the hours from `day_from` to `day_until`; for near appointments half of the time that is left."""
    shortest_minutes: StrictInt = Field(default=30, ge=10, le=240)
    """What would have to be answered sooner goes to everybody at once."""
    day_from: Clock = time(7)
    """From this time of day on people can be expected to answer."""
    day_until: Clock = time(21)
    """Until this time of day people can be expected to answer."""
    per_address: StrictInt = Field(default=3, ge=1, le=20)
    """So many wishes one mail address may have at a time."""
    unanswered: StrictInt = Field(default=2, ge=1, le=20)
    """After so many offers without an answer a wish ends."""

    @model_validator(mode="after")
    def _day(self) -> Waiting:
        hours = (self.day_until.hour * 60 + self.day_until.minute) - (
            self.day_from.hour * 60 + self.day_from.minute
        )
        if hours < 60:
            raise ValueError("day_until must be at least an hour after day_from")
        if self.shortest_minutes > self.offer_minutes:
            raise ValueError("shortest_minutes can't be more than offer_minutes")
        return self


class Office(Table):
    """A place with clerks that citizens can book into."""

    id: PathId
    """Id in addresses (`/<id>/appointments/`). Never change it."""
    name: Text
    """What it's called."""
    zone: Zone | None = None
    """Time zone, if it isn't the town's."""
    address: Address
    """Where it is."""
    map_url: Url | None = None
    """A map of the place."""
    phone: Phone
    """Telephone number."""
    email: Email
    """Mailbox that mails come from and answers go to."""
    by_appointment: Text
    """When one needs an appointment, in words."""
    walk_in: Text = NO_TEXT
    """When one may come without, in words."""
    directions: Text = NO_TEXT
    """Bus, parking, entrance."""
    accessibility: Text = NO_TEXT
    """Step-free access, lift, parking for disabled people."""
    notice: Text = NO_TEXT
    """A notice for all who book here."""
    services: Annotated[tuple[Id, ...], Field(min_length=1)]
    """Ids of the services offered here, in the order to list them."""
    holiday_region: Annotated[str, AfterValidator(_holiday_region)] = ""
    """Country and subdivision (`DE-NW`) whose public holidays are closed; empty: none."""
    absence_words: tuple[Line, ...] | None = None
    """Words that make an all-day entry in a clerk's calendar an absence; left out: a German and English list."""
    release: Release = Release()
    """Which appointments are offered."""
    waiting: Waiting = Waiting()
    """The waiting list."""
    windows: tuple[Window, ...] = ()
    """Weekly opening windows with which the office's `opening` calendar begins; later they are changed there."""
    clerks: tuple[Clerk, ...] = ()
    """Who works here. On a host that runs the public site alone they can be left out."""


class OfficesFile(Table):
    """The offices with their clerks: `offices.toml`."""

    offices: Annotated[tuple[Office, ...], Field(min_length=1)]
    """All offices that can be booked."""


class Server(Table):
    """Where the processes listen and how they are reached."""

    host: str = "127.0.0.1"
    """Address to listen on; a reverse proxy with HTTPS belongs in front of any other than loopback."""
    site_port: Port = 8000
    """Port of the public site."""
    staff_port: Port = 8001
    """Port of the staff pages."""
    dav_port: Port = 5232
    """Port of the calendar server."""
    site_url: BaseUrl = ""
    """How citizens reach the site, such as `https://termin.example.org`; empty: host and port."""
    staff_url: BaseUrl = ""
    """How staff reach their pages; empty: host and port."""
    dav_url: BaseUrl = ""
    """How calendar programs reach the calendar server; empty: host and port."""
    dav_internal_url: BaseUrl = ""
    """How the site and the staff pages reach the calendar server; empty: host and port."""
    trust_proxy: bool = False
    """`true` behind a reverse proxy that sets `X-Forwarded-For` and `X-Forwarded-Proto`: callers are then told apart by it."""
    threads: StrictInt = Field(default=8, ge=1, le=64)
    """How many requests each process answers at the same time."""


class DatabaseTable(Table):
    """Where calendars, accounts and sent mails are kept."""

    url: Annotated[str, AfterValidator(_database_url)] = ""
    """`postgresql+psycopg://user:password@host/name`; empty: SQLite in the data folder."""


class Smtp(Table):
    """The mail server; without one, mails are written to the data folder."""

    host: ServerName = ""
    """Its name; empty: mails are written to the folder `mail` of the data folder as they would have left."""
    port: Port = 587
    """Its port."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls`, `tls` (from the first byte, usually port 465) or `none` (only on loopback)."""
    user: str = ""
    """Account; empty: no login."""
    password: str = ""
    """Its password; better set by the environment than in a file."""
    ca_file: str = ""
    """A file with the certificate authority, if it isn't a public one."""
    timeout_seconds: StrictInt = Field(default=20, ge=1, le=300)
    """How long to wait for an answer."""

    @model_validator(mode="after")
    def _safe(self) -> Smtp:
        if self.host and self.security == "none" and self.host not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError(
                'security "none" is only for a mail server on the same machine; use "starttls" or "tls"'
            )
        if self.user and not self.password:
            raise ValueError("a user needs a password (environment variable TERMIN_SMTP_PASSWORD)")
        _refuse_beyond_ascii(user=self.user, password=self.password)
        return self


class Replies(Table):
    """The mailbox that answers to our mails come to, read by IMAP; without one, nobody's calendar program is listened to."""

    host: ServerName = ""
    """Name of the IMAP server; empty: replies and bounces aren't read."""
    port: Port = 993
    """Its port."""
    security: Literal["tls", "starttls", "none"] = "tls"
    """`tls` (from the first byte), `starttls` (usually port 143) or `none` (only on loopback)."""
    user: str = ""
    """Account of the offices' mailbox."""
    password: str = ""
    """Its password; better set by the environment than in a file."""
    ca_file: str = ""
    """A file with the certificate authority, if it isn't a public one."""
    folder: str = "INBOX"
    """The folder to read; nothing in it is changed."""
    vouching: str = ""
    """The name that the town's own mail server writes into Authentication-Results. Replies it doesn't vouch for are ignored."""

    @model_validator(mode="after")
    def _safe(self) -> Replies:
        if not self.host:
            return self
        if self.security == "none" and self.host not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError(
                'security "none" is only for a mailbox on the same machine; use "tls" or "starttls"'
            )
        missing = [key for key in ("user", "password", "vouching") if not getattr(self, key)]
        if missing:
            raise ValueError(f"a mailbox needs {', '.join(missing)} as well")
        _refuse_beyond_ascii(user=self.user, password=self.password)
        if not self.folder.isascii():
            raise ValueError(
                'write a folder\'s umlauts as IMAP does (RFC 3501 section 5.1.3): "Entw&APw-rfe" for "Entwürfe"'
            )
        return self


class Retention(Table):
    """When personal data is deleted."""

    appointment_days: StrictInt = Field(default=30, ge=1, le=3650)
    """Personal data of an appointment is deleted so many days after it; the privacy notice says the same."""
    archive_days: StrictInt = Field(default=90, ge=1, le=3650)
    """Appointments leave clerks' calendars so many days after they ended; with `appointment_days` at the latest."""
    sync_days: StrictInt = Field(default=180, ge=7, le=3650)
    """A calendar program that stays away longer reads its calendars anew."""
    log_days: StrictInt = Field(default=7, ge=1, le=365)
    """How long logs are kept; the privacy notice says the same."""


class Fairness(Table):
    """Limits for the public, against robots and traders. Partners with a key and staff are free of them, and so is the demo."""

    appointments_per_address: StrictInt = Field(default=3, ge=0, le=1000)
    """How many appointments one e-mail address may have ahead; 0: any number."""
    bookings_per_network: StrictInt = Field(default=60, ge=0, le=100_000)
    """How many bookings, holds and moves may come from one network (IPv4 /24, IPv6 /56) within an hour; 0: any number."""
    network_share: StrictInt = Field(default=20, ge=0, le=100)
    """How many percent of an office's time for appointments one network may hold on a day; 0: all of it."""
    unconfirmed_share: StrictInt = Field(default=50, ge=0, le=100)
    """How many percent of it all unconfirmed reservations together may hold; 0: all of it."""
    resends_per_hour: StrictInt = Field(default=3, ge=1, le=20)
    """How often within an hour a citizen may have the mail about her appointment once more."""
    proof_of_work: bool = True
    """`true`: a browser solves a small riddle before it books, and a program without a partner's key must (altcha)."""
    activation: Literal["never", "without-proof", "always"] = "without-proof"
    """Who confirms her e-mail address by a link before the appointment counts: nobody, whose browser brought no proof of work, everybody."""
    activation_minutes: StrictInt = Field(default=60, ge=10, le=1440)
    """How long a time is kept for who must still confirm."""


class Repair(Table):
    """What happens by itself when a clerk is away."""

    notice_hours: StrictInt = Field(default=24, ge=0, le=336)
    """No appointment is moved to a start sooner than this; a plan that waits is made anew when half of it is left."""
    auto_hours: StrictInt = Field(default=0, ge=0, le=336)
    """A plan that moves or cancels appointments is applied after so many hours if nobody decides on it; 0: it waits."""
    seconds: StrictInt = Field(default=20, ge=1, le=300)
    """How long the search for a day's plan may take."""


class Partner(Table):
    """A trusted program that books by the JSON API, such as a hotline's."""

    name: Line
    """Whose it is."""
    all_times: StrictBool = False
    """`true` for a hotline: it may also book times that aren't released to the public yet."""
    key_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of its API key, in hexadecimal; the key itself stands nowhere."""


class Api(Table):
    """The JSON API."""

    partners: tuple[Partner, ...] = ()
    """Trusted programs: no proof of work, no limits for each address."""


class Secrets(Table):
    """Secrets that several hosts share; on one host they are made at the first start and kept in the data folder."""

    site_password: str = Field(default="", max_length=200)
    """Password of the account `site`, with which the public site books."""
    worker_password: str = Field(default="", max_length=200)
    """Password of the account `worker`."""
    signing_secret: str = Field(default="", max_length=200)
    """Signs the links in mails; who changes it makes all links that were sent invalid."""
    session_secret: str = Field(default="", max_length=200)
    """Signs forms and the sessions of the staff pages."""

    @model_validator(mode="after")
    def _long_enough(self) -> Secrets:
        for key, value in self:
            if value and len(value) < 24:
                raise ValueError(f"{key} must have at least 24 characters")
        return self


class Feeds(Table):
    """The secret addresses at which clerks read their calendars in programs without CalDAV (`termin feed`)."""

    names: StrictBool = False
    """`true`: with all that stands in the calendar, names and remarks of citizens too. Many such programs, new Outlook among them, fetch the address from their makers' machines; `false` shows services, references and times alone."""


class ServerFile(Table):
    """How the processes run: `server.toml`, which may be missing. Every key has an environment variable that goes first."""

    server: Server = Server()
    """Where the processes listen and how they are reached."""
    database: DatabaseTable = DatabaseTable()
    """Where data is kept."""
    smtp: Smtp = Smtp()
    """The mail server."""
    replies: Replies = Replies()
    """The mailbox that answers come to."""
    retention: Retention = Retention()
    """When personal data is deleted."""
    fairness: Fairness = Fairness()
    """Limits for the public, against robots and traders."""
    repair: Repair = Repair()
    """What happens by itself when a clerk is away."""
    secrets: Secrets = Secrets()
    """Secrets that several hosts share."""
    api: Api = Api()
    """The JSON API."""
    feeds: Feeds = Feeds()
    """Clerks' calendars at secret addresses."""
