"""What a mail says: a decision put into words, as a `Letter` that both the text and the HTML are made from.

Hence both say the same. The words are in `wording`, the looks in `layout`; nothing here knows of MIME or of delivery.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import css_inline
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from booking_web.booking.checklist import checklist
from booking_web.booking.choice import Choice
from booking_web.booking.tokens import activation_code, make_token, read_token
from booking_web.notifications.told import Decision, Kind
from booking_web.notifications.wording import wording
from booking_web.reasons import reason_in
from booking_web.town import DEFAULT_LANGUAGE, RIGHT_TO_LEFT, NeededBy, in_language, language_tag

if TYPE_CHECKING:
    from booking_web.notifications.told import Snapshot, Told
    from booking_web.notifications.wording import Wording
    from booking_web.town import Document, OfficeInfo, Town

_HIDDEN_KINDS = frozenset(
    {
        Kind.CONFIRMATION,
        Kind.PROPOSAL,
        Kind.RESTORED,
        Kind.REMINDER,
        Kind.COUNTER,
        Kind.ACTIVATION,
        Kind.EXPIRED,
        Kind.RESENT,
        *(kind for kind in Kind if kind.is_of_waiting),
    }
)
"""Kinds that read the same whoever caused them."""
_UNPROVED = frozenset({Kind.ACTIVATION, Kind.EXPIRED})
_WITHOUT_APPOINTMENT = frozenset({Kind.CANCELLED, *_UNPROVED})
"""Kinds after which she has no appointment (yet)."""


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A document to bring along: its name, and what else there is to say about it."""

    name: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail's content in one language; every text is plain, without markup and without line breaks."""

    language: str
    """As BCP 47 names it."""
    subject: str
    title: str
    greeting: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    documents: tuple[DocumentLine, ...]
    conditional: tuple[DocumentLine, ...]
    notes: tuple[str, ...]
    link: tuple[str, str] | None
    """Label and address of the one thing to do."""
    more_links: tuple[tuple[str, str], ...]
    """What else she may do: labels and addresses."""
    closing: tuple[str, ...]
    signature: tuple[str, ...]
    small_print: tuple[str, ...]
    labels: tuple[str, str, str]
    """Headings above documents, conditional documents and notes."""
    colours: tuple[str, str]
    """Background and text of the button."""
    emblem: str = ""
    """Content-ID of the town's emblem (RFC 2392); "": there's none."""


@dataclass(frozen=True, slots=True)
class CalendarTexts:
    """What the entry in the citizen's calendar says."""

    summary: str
    description: str
    location: str
    url: str


class Letters:
    """Writes letters for a town; `secret` signs the links to appointments (see `booking_web.booking.tokens`)."""

    def __init__(self, town: Town, secret: bytes) -> None:
        self._town = town
        self._secret = secret
        file = town.looks.mail_emblem
        self.emblem = file.read_bytes() if file else b""
        """The PNG that HTML mails show; empty: none."""

    def manage_url(self, snapshot: Snapshot) -> str:
        """Return the link to her appointment; "" if it wasn't booked on this town's site and hence has none."""
        token = make_token(self._secret, snapshot.office, snapshot.uid)
        named = read_token(self._secret, self._town.host, [snapshot.office], token)
        if named != (snapshot.office, snapshot.uid):
            return ""
        return f"{self._site(snapshot.language)}/termin/{token}"

    def wish_url(self, snapshot: Snapshot) -> str:
        """Return the link to her wish on the waiting list."""
        token = make_token(self._secret, snapshot.office, snapshot.uid)
        return f"{self._site(snapshot.language)}/termin/warteliste/{token}"

    def book_url(self, snapshot: Snapshot) -> str:
        """Return the link to book the same services anew."""
        query = [("office", snapshot.office)]
        query += [
            ("service", line.id if line.persons == 1 else f"{line.id}:{line.persons}")
            for line in snapshot.services
        ]
        query += [("group", str(len(snapshot.parts)))] if len(snapshot.parts) > 1 else []
        return f"{self._site(snapshot.language)}/termin/?{urlencode(query, safe=':')}"

    def calendar_texts(self, told: Told) -> CalendarTexts:
        """Return what the entry in her calendar says; it repeats documents and link, since many never see the mail again."""
        snapshot = told.snapshot
        office, words = self._office(snapshot), self._words(snapshot)
        needed, conditional = ((), ()) if told.cancelled else self._documents(snapshot, office, words)
        url = "" if told.cancelled else self.manage_url(snapshot)
        lines: list[str] = []
        if snapshot.parts and not told.cancelled:
            lines += [f"{words.say('labels', 'members')}: {self._times(snapshot, words)}", ""]
        if needed or conditional:
            lines.append(words.say("calendar", "documents"))
            lines += [f"- {line.name}" for line in needed]
            lines += [
                f"- {line.name} ({line.hint})" if line.hint else f"- {line.name}" for line in conditional
            ]
            lines.append("")
        if url:
            lines += [words.say("calendar", "manage"), url, ""]
        if snapshot.reference:
            lines.append(words.say("calendar", "reference", reference=snapshot.reference))
        lines.append(words.say("calendar", "phone", phone=office.phone))
        services = words.listed(self._service_names(snapshot, words)) or in_language(
            office.name, words.language
        )
        return CalendarTexts(
            summary=words.say(
                "calendar", "summary", services=services, place=self._office_name(office, words)
            ),
            description="\n".join(lines),
            location=self._place(snapshot, office, words),
            url=url,
        )

    def letter(self, decision: Decision) -> Letter:
        """Return the letter of a decision. LookupError if the town has no such office."""
        return (
            self._waiting_letter(decision)
            if decision.kind.is_of_waiting
            else self._appointment_letter(decision)
        )

    def _appointment_letter(self, decision: Decision) -> Letter:
        snapshot, kind = decision.told.snapshot, decision.kind
        office, words = self._office(snapshot), self._words(snapshot)
        cancelled, stands = kind is Kind.CANCELLED, kind not in _WITHOUT_APPOINTMENT
        key = _key(decision, words, is_online=bool(self.manage_url(snapshot)))
        when = words.when(snapshot.start.astimezone(snapshot.zone))
        needed, conditional = self._documents(snapshot, office, words) if stands else ((), ())
        manage = self.manage_url(snapshot)
        link, more = self._links(decision, words, manage)
        closing = [words.say("closing", "phone", phone=office.phone)]
        if snapshot.reference:
            naming = words.say("closing", "reference", reference=_line(snapshot.reference))
            closing[0] = words.paragraph(closing[0], naming)
        if kind.invites:
            closing.insert(0, words.say("closing", "calendar_cancelled" if cancelled else "calendar"))
        if manage and (stands or kind is Kind.ACTIVATION):
            closing.append(words.say("closing", "secret"))
        until = snapshot.held_until.astimezone(snapshot.zone) if snapshot.held_until else None
        paragraphs = [words.say("intros", key, until=words.time(until) if until else "")]
        if decision.reason:
            reason = reason_in(words.language, decision.reason)
            paragraphs.append(words.say("intros", "reason", reason=_line(reason)))
        # Nobody has proved yet whose address it is: it mustn't bring a stranger what somebody entered as a name.
        name = "" if kind in _UNPROVED else _line(snapshot.name)
        notice = in_language(self._town.notice, words.language)
        return Letter(
            language=language_tag(words.language),
            subject=words.say("subjects", _heading(decision, key), when=when),
            title=words.say("titles", _heading(decision, key)),
            greeting=words.say("greetings", "named", name=name) if name else words.say("greetings", "plain"),
            paragraphs=tuple(paragraphs),
            facts=self._facts(decision, office, words, when),
            documents=needed,
            conditional=conditional,
            notes=tuple(filter(None, [_line(in_language(office.notice, words.language))])) if stands else (),
            link=link,
            more_links=more,
            closing=tuple(closing),
            signature=self._signature(office, words),
            small_print=tuple(filter(None, [words.say("closing", "automatic"), _line(notice)])),
            labels=(
                words.say("labels", "documents"),
                words.say("labels", "conditional"),
                words.say("labels", "good_to_know"),
            ),
            colours=(self._town.looks.primary, self._town.looks.on_primary),
            emblem=f"emblem@{self._town.host}" if self.emblem else "",
        )

    def _links(
        self, decision: Decision, words: Wording, manage: str
    ) -> tuple[tuple[str, str] | None, tuple[tuple[str, str], ...]]:
        """Return the one thing to do, and what else she may do: labels and addresses."""
        snapshot, kind = decision.told.snapshot, decision.kind
        if kind is Kind.ACTIVATION:
            return (words.say("links", "activate"), f"{manage}/bestaetigen/{self._code(snapshot)}"), ()
        if kind in _WITHOUT_APPOINTMENT:
            anew = (words.say("links", "book"), self.book_url(snapshot))
            if manage and decision.declined:
                return (words.say("links", "restore"), manage), (anew,)
            return anew, ()
        if not manage:
            return None, ()
        if kind is Kind.PROPOSAL:
            return (words.say("links", "accept"), manage), (
                (words.say("links", "another"), f"{manage}/verschieben"),
                (words.say("links", "cancel"), f"{manage}/absagen"),
            )
        return (words.say("links", "manage"), manage), ()

    def _code(self, snapshot: Snapshot) -> str:
        return activation_code(self._secret, snapshot.office, snapshot.uid, snapshot.email)

    def _waiting_letter(self, decision: Decision) -> Letter:
        snapshot, key = decision.told.snapshot, decision.kind.value
        office, words = self._office(snapshot), self._words(snapshot)
        when = words.when(snapshot.start.astimezone(snapshot.zone))
        until = words.when((snapshot.held_until or snapshot.start).astimezone(snapshot.zone))
        over = decision.kind is Kind.WAITING_OVER
        link = (
            (words.say("links", "book"), self.book_url(snapshot))
            if over
            else (words.say("links", key), self.wish_url(snapshot))
        )
        closing = [words.say("closing", "phone", phone=office.phone)]
        if not over:
            closing.append(words.say("closing", "secret_wish"))
        name = _line(snapshot.name)
        notice = in_language(self._town.notice, words.language)
        intro = "waiting_unanswered" if snapshot.wish == "unanswered" else key
        return Letter(
            language=language_tag(words.language),
            subject=words.say("subjects", key, when=when),
            title=words.say("titles", key),
            greeting=words.say("greetings", "named", name=name) if name else words.say("greetings", "plain"),
            paragraphs=(
                words.say("intros", intro, until=until),
                *([words.say("intros", "offer_replaces")] if snapshot.replaces and key == "offer" else []),
            ),
            facts=self._waiting_facts(decision, office, words),
            documents=(),
            conditional=(),
            notes=(),
            link=link,
            more_links=(),
            closing=tuple(closing),
            signature=self._signature(office, words),
            small_print=tuple(filter(None, [words.say("closing", "automatic"), _line(notice)])),
            labels=("", "", ""),
            colours=(self._town.looks.primary, self._town.looks.on_primary),
            emblem=f"emblem@{self._town.host}" if self.emblem else "",
        )

    def _waiting_facts(
        self, decision: Decision, office: OfficeInfo, words: Wording
    ) -> tuple[tuple[str, str], ...]:
        snapshot, kind = decision.told.snapshot, decision.kind
        start = snapshot.start.astimezone(snapshot.zone)
        facts: dict[str, str] = {}
        if kind in {Kind.OFFER, Kind.WITHDRAWN}:
            facts["when"] = words.when(start)
        else:
            facts["latest"] = words.day(snapshot.end.astimezone(snapshot.zone))
        if kind is Kind.OFFER:
            minutes = (snapshot.end - snapshot.start) // timedelta(minutes=1)
            facts["duration"] = words.say("values", "minutes", minutes=minutes)
        if kind is Kind.OFFER and snapshot.held_until is not None:
            facts["answer_until"] = words.when(snapshot.held_until.astimezone(snapshot.zone))
        facts["services"] = self._services(snapshot, words)
        facts["place"] = self._office_and_place(snapshot, office, words)
        return tuple((words.say("labels", label), value) for label, value in facts.items())

    def _signature(self, office: OfficeInfo, words: Wording) -> tuple[str, ...]:
        return (
            words.say("closing", "regards"),
            in_language(office.name, words.language),
            self._town.mail_sender,
        )

    def _site(self, language: str) -> str:
        first = self._town.languages[0]
        known = language if language in self._town.languages else first
        return self._town.base_url if known == first else f"{self._town.base_url}/{known}"

    def _words(self, snapshot: Snapshot) -> Wording:
        return wording(snapshot.language, informal=self._town.informal)

    def _office(self, snapshot: Snapshot) -> OfficeInfo:
        office = self._town.office(snapshot.office)
        if office is None:
            raise LookupError(f"the town has no office {snapshot.office!r}")
        return office

    def _office_name(self, office: OfficeInfo, words: Wording) -> str:
        name = in_language(office.name, words.language)
        return name if self._town.name in name else f"{name} {self._town.name}"

    def _office_and_place(self, snapshot: Snapshot, office: OfficeInfo, words: Wording) -> str:
        place = self._place(snapshot, office, words)
        names = (in_language(office.name, words.language), in_language(office.name, DEFAULT_LANGUAGE))
        # What the site books names the office already.
        return place if place.startswith(names) else f"{names[0]}, {place}"

    def _place(self, snapshot: Snapshot, office: OfficeInfo, words: Wording) -> str:
        """What the calendar says of the place goes first: a clerk may have moved the appointment to another room."""
        if snapshot.location:
            return _line(snapshot.location)
        building = in_language(office.address.building, words.language)
        return ", ".join(filter(None, [building, office.address.one_line()]))

    def _service_names(self, snapshot: Snapshot, words: Wording) -> tuple[str, ...]:
        found = ((self._town.service(line.id), line) for line in snapshot.services)
        return tuple(
            in_language(service.name, words.language) if service else line.id for service, line in found
        )

    def _services(self, snapshot: Snapshot, words: Wording) -> str:
        names = []
        for name, line in zip(self._service_names(snapshot, words), snapshot.services, strict=True):
            service = self._town.service(line.id)
            label = in_language(service.persons_label, words.language) if service else ""
            if line.persons == 1:
                names.append(name)
            elif label:
                names.append(words.say("values", "counted", service=name, persons=line.persons, label=label))
            else:
                names.append(words.say("values", "persons", service=name, persons=line.persons))
        return words.enumerated(names)

    @staticmethod
    def _times(snapshot: Snapshot, words: Wording) -> str:
        """When each appointment of a group begins; with the days, if it's on several."""
        starts = [start.astimezone(snapshot.zone) for start, _ in snapshot.parts]
        say = words.time if len({start.date() for start in starts}) == 1 else words.when
        return words.listed(tuple(map(say, starts)))

    def _when_before(self, before: Snapshot, snapshot: Snapshot, words: Wording) -> str:
        if before.start == snapshot.start and before.parts:
            return self._times(before, words)
        return words.when(before.start.astimezone(before.zone))

    def _facts(
        self, decision: Decision, office: OfficeInfo, words: Wording, when: str
    ) -> tuple[tuple[str, str], ...]:
        snapshot, before = decision.told.snapshot, decision.previous
        facts = [("when", when)]
        if snapshot.parts:
            facts.append(("members", self._times(snapshot, words)))
        shifted = decision.kind in {Kind.MOVED, Kind.PROPOSAL}
        if shifted and before is not None and before.starts != snapshot.starts:
            facts.append(("when_before", self._when_before(before, snapshot, words)))
        if decision.kind not in {Kind.CANCELLED, Kind.EXPIRED}:
            minutes = (snapshot.end - snapshot.start) // timedelta(minutes=1)
            facts.append(("duration", words.say("values", "minutes", minutes=minutes)))
        if snapshot.services:
            facts.append(("services", self._services(snapshot, words)))
        facts.append(("place", self._office_and_place(snapshot, office, words)))
        if shifted and before is not None and before.location != snapshot.location:
            facts.append(("place_before", self._office_and_place(before, office, words)))
        if snapshot.reference:
            facts.append(("reference", _line(snapshot.reference)))
        return tuple((words.say("labels", key), value) for key, value in facts)

    def _documents(
        self, snapshot: Snapshot, office: OfficeInfo, words: Wording
    ) -> tuple[tuple[DocumentLine, ...], tuple[DocumentLine, ...]]:
        chosen = tuple(
            (service, line.persons)
            for line in snapshot.services
            if (service := self._town.service(line.id)) is not None
        )
        needed: list[DocumentLine] = []
        conditional: list[DocumentLine] = []
        for item in checklist(Choice(office, chosen)):
            document = item.document
            name = in_language(document.name, words.language)
            if document.needed_by is NeededBy.EVERYONE:
                if item.copies > 1:
                    name = words.say("values", "copies", document=name)
                needed.append(DocumentLine(name, _line(in_language(document.hint, words.language))))
            else:
                conditional.append(DocumentLine(name, _condition(document, words)))
        return tuple(needed), tuple(conditional)


def _key(decision: Decision, words: Wording, *, is_online: bool) -> str:
    by_citizen = decision.by_citizen and decision.kind not in _HIDDEN_KINDS
    key = f"{decision.kind.value}_by_citizen" if by_citizen else decision.kind.value
    before, now = decision.previous, decision.told.snapshot
    if decision.kind is Kind.MOVED and before is not None and before.location != now.location:
        key = "moved_place" if before.starts == now.starts else "moved_both"
    if decision.declined:
        key = "cancelled_declined" if is_online else "cancelled_by_citizen"
    elif decision.kind is Kind.PROPOSAL and not is_online:
        key = "proposal_by_phone"
    assert key in words.texts["intros"]
    return key


def _heading(decision: Decision, key: str) -> str:
    if decision.kind is Kind.CANCELLED:
        return "cancelled_by_citizen" if key == "cancelled_declined" else key
    return key if key == "moved_place" else decision.kind.value


def _condition(document: Document, words: Wording) -> str:
    said = _line(in_language(document.when, words.language))
    return said or words.say("needed_by", document.needed_by.value)


def _line(text: str) -> str:
    """Text on one line: what people entered mustn't break the letter's shape."""
    return " ".join(text.split())


@lru_cache(maxsize=1)
def _layouts() -> tuple[Environment, css_inline.CSSInliner]:
    environment = Environment(
        loader=PackageLoader("booking_web.notifications", "layout"),
        autoescape=select_autoescape(enabled_extensions=("html",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # The rules for dark mode can't be inlined; they stay in the head.
    return environment, css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def as_text(letter: Letter) -> str:
    """Return the letter as plain text."""
    environment, _ = _layouts()
    return environment.get_template("letter.txt").render(letter=letter)


def as_html(letter: Letter) -> str:
    """Return the letter as a complete HTML document, with its styles inlined; at most it shows the emblem that comes with the mail."""
    environment, inliner = _layouts()
    leftwards = letter.language in RIGHT_TO_LEFT
    return inliner.inline(environment.get_template("letter.html").render(letter=letter, leftwards=leftwards))
