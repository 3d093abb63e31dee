"""What the mails say, in every language and kind."""

from __future__ import annotations

import re
import string
import tomllib
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_web.notifications import wording as wording_package
from booking_web.notifications.letters import Letters, as_html, as_text
from booking_web.notifications.told import Decision, Kind, Snapshot, Told
from booking_web.notifications.wording import languages, wording
from booking_web.reasons import ABSENCE
from booking_web.town import language_tag
from calendar_server.ical.appointment import ServiceLine
from tests.notifications.town import HOST, SECRET, UID, town
from tests.support.town import appointment, at

LETTERS = Letters(town(), SECRET)
BOOKED = appointment(
    UID,
    reference="K7QM-3XPD",
    services=(ServiceLine("reisepass", 2), ServiceLine("beglaubigung")),
)
LONGEST_SENTENCE = 15
"""Words; Leichte Sprache asks for about that, B1 allows some more."""


def decision(
    kind: Kind = Kind.CONFIRMATION,
    *,
    by_citizen: bool = False,
    reason: str = "",
    declined: bool = False,
    **values,
) -> Decision:
    before = Snapshot.of(BOOKED, "buergerbuero")
    after = replace(before, **values)
    if kind in {Kind.MOVED, Kind.PROPOSAL}:
        after = replace(after, start=at(9, 9), end=at(9, 9) + timedelta(minutes=30))
    told = Told(after, 1, cancelled=kind is Kind.CANCELLED)
    previous = None if kind is Kind.CONFIRMATION else before
    return Decision(kind, told, previous, by_citizen, reason, declined)


WAYS = [
    *(
        {"kind": kind, "by_citizen": by_citizen}
        for kind in Kind
        if kind is not Kind.FEEDBACK
        for by_citizen in (False, True)
    ),
    {"kind": Kind.CANCELLED, "by_citizen": True, "declined": True},
    {"kind": Kind.PROPOSAL, "uid": "5a0c7c9e-drawn-in-thunderbird"},
    {"kind": Kind.MOVED, "location": "Zimmer 7"},
]
"""All in which letters differ, besides what they are about."""
ALL = [decision(language=language, **way) for way in WAYS for language in languages()]


def test_a_confirmation_in_german():
    assert as_text(LETTERS.letter(decision())) == CONFIRMATION.replace("TOKEN", _token(LETTERS))


CONFIRMATION = """\
Guten Tag Erika Muster,

Sie haben einen Termin bei uns. Wir freuen uns auf Sie.

Wann: Montag, 7. Dezember 2026, 8:00 Uhr
Dauer: etwa 30 Minuten
Anliegen: Reisepass (2 Personen), Beglaubigung
Ort: Bürgerbüro, Rathaus, Marktplatz 1, 59872 Meschede
Vorgangsnummer: K7QM-3XPD

Bitte bringen Sie mit:
- Alter Pass (für jede Person). Auch abgelaufen.
- Digitales Foto (für jede Person)

Nur in bestimmten Fällen:
- Zustimmung der Eltern: für Kinder

Termin ansehen, verschieben oder absagen:
https://termin.test/termin/TOKEN

Im Anhang finden Sie den Termin für Ihren Kalender.

Haben Sie Fragen? Rufen Sie uns an: +49 291 0000. Sagen Sie uns dann Ihre Vorgangsnummer K7QM-3XPD.

Der Link gilt nur für Ihren Termin. Bitte geben Sie ihn nicht weiter.

Freundliche Grüße
Bürgerbüro
Stadt Meschede

--\N{SPACE}
Ein Programm hat diese E-Mail verschickt.
"""


def _token(letters: Letters) -> str:
    return letters.manage_url(decision().told.snapshot).rpartition("/")[2]


PROPOSAL = """\
Guten Tag Erika Muster,

Ihr Termin kann zur alten Zeit leider nicht stattfinden. Wir haben eine neue Zeit für Sie reserviert. \
Passt sie Ihnen? Dann sagen Sie uns bitte kurz Ja. Sie können auch eine andere Zeit wählen oder absagen. \
Hören wir nichts von Ihnen, gilt die neue Zeit.

Der Grund: Krankheit

Wann: Mittwoch, 9. Dezember 2026, 9:00 Uhr
Bisher: Montag, 7. Dezember 2026, 8:00 Uhr
"""


def test_a_proposal_offers_three_ways():
    letter = LETTERS.letter(decision(Kind.PROPOSAL, reason="Krankheit"))
    page = f"https://{HOST}/termin/{_token(LETTERS)}"
    assert as_text(letter).startswith(PROPOSAL)
    assert letter.link == ("Neue Zeit ansehen und Ja sagen", page)
    assert letter.more_links == (
        ("Andere Zeit wählen", f"{page}/verschieben"),
        ("Termin absagen", f"{page}/absagen"),
    )


def test_what_she_declined_can_be_taken_back():
    letter = LETTERS.letter(decision(Kind.CANCELLED, by_citizen=True, declined=True))
    assert letter.link == ("Termin zurückholen", f"https://{HOST}/termin/{_token(LETTERS)}")
    assert [label for label, _ in letter.more_links] == ["Neuen Termin buchen"]


@pytest.mark.parametrize("language", ["de", "en", "tr", "uk", "ar"])
def test_the_programs_own_reason_is_told_in_her_language(language):
    text = as_text(LETTERS.letter(decision(Kind.PROPOSAL, language=language, reason=ABSENCE)))
    assert (ABSENCE in text) == (language == "de")


def test_what_people_wrote_as_a_reason_stays_as_it_is():
    text = as_text(LETTERS.letter(decision(Kind.PROPOSAL, language="en", reason="Stromausfall")))
    assert "The reason: Stromausfall" in text


def test_a_move_in_english():
    letter = LETTERS.letter(decision(Kind.MOVED, language="en", reason="Illness"))
    text = as_text(letter)
    assert letter.subject == "Your appointment has been moved: Wednesday, 9 December 2026, 9:00"
    assert "Before: Monday, 7 December 2026, 8:00\n" in text
    assert "The reason: Illness" in text
    assert f"https://{HOST}/en/termin/" in text
    assert "Passport (2 people), Certified copy" in text


def test_another_room_is_told_as_such():
    told = Told(Snapshot.of(replace(BOOKED, location="Zimmer 7"), "buergerbuero"), 1)
    moved = decision(Kind.MOVED, location="Zimmer 7")
    only = LETTERS.letter(replace(moved, told=told))
    assert only.subject == "Ihr Termin hat einen neuen Ort: Montag, 7. Dezember 2026, 8:00 Uhr"
    assert only.title == "Ihr Termin hat einen neuen Ort"
    assert "Die Zeit bleibt gleich." in as_text(only)
    assert "neue Zeit" not in as_text(only)
    assert "Ort: Bürgerbüro, Zimmer 7\n" in as_text(only)
    assert "Ort bisher: Bürgerbüro, Rathaus, Marktplatz 1, 59872 Meschede\n" in as_text(only)
    both = LETTERS.letter(moved)
    assert both.title == "Ihr Termin ist verschoben"
    assert "eine neue Zeit und einen neuen Ort" in as_text(both)
    time = LETTERS.letter(decision(Kind.MOVED))
    assert "Ihr Termin hat eine neue Zeit. " in as_text(time)
    assert "Ort bisher" not in as_text(time)


def test_a_cancellation_leads_to_a_new_booking_and_asks_for_no_documents():
    text = as_text(LETTERS.letter(decision(Kind.CANCELLED)))
    assert f"https://{HOST}/termin/?office=buergerbuero&service=reisepass:2&service=beglaubigung\n" in text
    assert "Alter Pass" not in text
    assert "/termin/abc" not in text


@pytest.mark.parametrize(
    "due", ALL, ids=lambda due: f"{due.told.snapshot.language}-{due.kind}-{due.by_citizen}-{due.declined}"
)
def test_text_and_html_say_the_same(due):
    letter = LETTERS.letter(due)
    page = _Words()
    page.feed(as_html(letter))
    text = " ".join(as_text(letter).split())
    for said in (letter.greeting, *letter.paragraphs, *letter.closing, *(value for _, value in letter.facts)):
        # In Leichte Sprache a paragraph has several lines.
        assert " ".join(said.split()) in text
        assert all(line in page.text for line in said.splitlines())
    if letter.link:
        assert letter.link[1] in text
        assert letter.link[1] in page.links
    for label, address in letter.more_links:
        assert label in page.text
        assert address in text
        assert address in page.links
    for line in (*letter.documents, *letter.conditional):
        assert line.name in page.text


@pytest.mark.parametrize(
    "due", ALL, ids=lambda due: f"{due.told.snapshot.language}-{due.kind}-{due.by_citizen}-{due.declined}"
)
def test_html_needs_nothing_from_elsewhere(due):
    page = as_html(LETTERS.letter(due))
    assert not re.search(r"<(img|script|link|iframe|object)\b|url\(|@import|@font-face", page)
    assert 'name="color-scheme"' in page
    assert "prefers-color-scheme: dark" in page
    assert f'<html lang="{language_tag(due.told.snapshot.language)}"' in page
    assert ('dir="rtl"' in page) == (due.told.snapshot.language == "ar")


@pytest.mark.parametrize(
    "due", ALL, ids=lambda due: f"{due.told.snapshot.language}-{due.kind}-{due.by_citizen}-{due.declined}"
)
def test_sentences_are_short(due):
    letter = LETTERS.letter(due)
    sentences = [
        sentence
        for text in (*letter.paragraphs, *letter.closing, *letter.small_print)
        for sentence in re.split(r"(?<=[.!?:])\s+", text)
    ]
    assert sentences
    too_long = [sentence for sentence in sentences if len(sentence.split()) > LONGEST_SENTENCE]
    assert too_long == []


def shape(texts):
    return {
        (section, key): {name for _, name, _, _ in string.Formatter().parse(text) if name}
        for section, keys in texts.items()
        for key, text in keys.items()
    }


def read(name):
    return tomllib.loads((Path(wording_package.__file__).parent / f"{name}.toml").read_text("utf-8"))


@pytest.mark.parametrize("language", sorted({*languages()} - {"leicht"}))
def test_every_language_has_the_same_texts_and_places(language):
    assert shape(read(language)) == shape(wording("de").texts)


@pytest.mark.parametrize("name", ["leicht", "de_du"])
def test_what_differs_from_german_has_the_same_places(name):
    assert shape(read(name)).items() <= shape(wording("de").texts).items()


def test_leichte_sprache_has_words_of_its_own_for_what_happened():
    assert read("leicht")["intros"].keys() == read("de")["intros"].keys() - {"reason"}


def test_a_town_that_says_du_says_it_in_all_mails():
    formal = re.compile(r"\b(Sie|Ihnen|Ihre?[mnrs]?)\b")
    said = [text for keys in wording("de", informal=True).texts.values() for text in keys.values()]
    assert [text for text in said if formal.search(text)] == []
    letters = Letters(replace(town(), informal=True), SECRET)
    assert "Du hast einen Termin bei uns." in as_text(letters.letter(decision()))
    assert "Sie haben einen Termin." in as_text(letters.letter(decision(language="leicht")))


def test_a_language_without_words_gets_german_ones():
    assert LETTERS.letter(decision(language="tlh")).greeting == "Guten Tag Erika Muster,"


def test_what_was_not_booked_on_the_site_has_no_link():
    text = as_text(LETTERS.letter(decision(uid="5a0c7c9e-drawn-in-thunderbird")))
    assert "/termin/" not in text
    assert "Rufen Sie uns an" in text


def test_another_room_goes_before_the_offices_address():
    assert "Ort: Bürgerbüro, Zimmer 7\n" in as_text(LETTERS.letter(decision(location="Zimmer 7")))


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_people_enter_stays_text(name, reason):
    letter = LETTERS.letter(decision(name=f"{name}<script>x</script>", reason=reason))
    assert "<script" not in as_html(letter)
    assert "\n" not in letter.greeting
    assert len(letter.greeting.splitlines()) == 1


def test_the_calendar_entry_repeats_documents_and_link():
    texts = LETTERS.calendar_texts(decision().told)
    assert texts.summary == "Termin: Reisepass und Beglaubigung – Bürgerbüro Meschede"
    assert texts.location == "Rathaus, Marktplatz 1, 59872 Meschede"
    assert "- Alter Pass (für jede Person)" in texts.description
    assert "- Zustimmung der Eltern (für Kinder)" in texts.description
    assert texts.url in texts.description
    assert "K7QM-3XPD" in texts.description
    assert "+49 291 0000" in texts.description


def test_the_entry_of_a_cancelled_appointment_asks_for_nothing():
    texts = LETTERS.calendar_texts(decision(Kind.CANCELLED).told)
    assert "Pass (" not in texts.description
    assert "/termin/" not in texts.description
    assert texts.url == ""
    assert "+49 291 0000" in texts.description


class _Words(HTMLParser):
    """The text that a page shows, and where it leads."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self._parts: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data):
        self._parts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._parts).split())


def test_an_office_that_the_place_names_is_named_once():
    place = "Bürgerbüro, Marktplatz 1, 59872 Meschede"
    assert f"Ort: {place}\n" in as_text(LETTERS.letter(decision(location=place)))
    assert "Ort: Bürgerbüro, Zimmer 7\n" in as_text(LETTERS.letter(decision(location="Zimmer 7")))


def test_lists_have_the_comma_of_their_language():
    assert wording("de").listed(("A", "B", "C")) == "A, B und C"
    assert wording("ar").listed(("A", "B", "C")) == "A، B وC"
    assert wording("ar").enumerated(["A", "B"]) == "A، B"


@pytest.mark.parametrize("minutes", [5, 10, 15, 100])
def test_a_duration_is_right_whatever_its_number_in_arabic(minutes):
    # Arabic nouns change after 3 to 10, 11 to 99 and 100: the number stands alone.
    assert wording("ar").say("values", "minutes", minutes=minutes) == f"حوالي {minutes}"


def test_leichte_sprache_has_a_line_for_each_sentence():
    easy = LETTERS.letter(decision(language="leicht"))
    assert "Sie haben einen Termin.\nWir freuen uns auf Sie.\n" in as_text(easy)
    assert re.search(r"\nRufen Sie uns an: [^\n]+\nSagen Sie uns dann Ihre Nummer: ", as_text(easy))
    assert "<p>Sie haben einen Termin.<br>Wir freuen uns auf Sie.</p>" in re.sub(
        r"<p [^>]*>", "<p>", as_html(easy)
    )
    assert "Sie haben einen Termin bei uns. Wir freuen uns auf Sie.\n" in as_text(LETTERS.letter(decision()))
