"""The pages in every language: nothing left in German by mistake, what the town has in German only is marked, and the direction is right."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po
from flask import g
from markupsafe import Markup

from booking_web.booking.search import search
from booking_web.language import CATALOGUES, NATIVE_NAMES, load_translations
from booking_web.notifications.letters import Letters
from booking_web.notifications.told import Decision, Kind, Snapshot, Told
from booking_web.notifications.wording import wording
from booking_web.site import (
    clock_time,
    day_and_month,
    listed,
    moment,
    money,
    short_moment,
    weekday_names,
)
from booking_web.site import span as times_between
from booking_web.town import LANGUAGES, language_tag, locale_of
from calendar_server.ical.appointment import from_ical
from tests.booking_web.conftest import API_KEY, SECRET, site
from tests.support.clock import Clock

CHOICE = "office=buergerbuero&service=reisepass:2&service=beglaubigung"
PATHS = (
    "/",
    "/termin/",
    f"/termin/unterlagen?{CHOICE}",
    f"/termin/zeit?{CHOICE}&ansicht=monat",
    "/impressum",
)
GERMAN = re.compile(r"\b(Sie|Ihre?|und|oder|der|die|das|wir|für|nicht)\b")
LONGEST_SENTENCE = 12
"""Words of a sentence in Leichte Sprache."""


class Words(HTMLParser):
    """The words of a page that aren't marked as being in another language than the page, and its attributes of speech."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[bool] = []
        self.words: list[str] = []
        self.html: dict[str, str | None] = {}

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "html":
            self.html = values
        if tag in {"meta", "link", "img", "input", "br"}:
            return
        self.open.append(("lang" in values and tag != "html") or tag == "address")

    def handle_endtag(self, tag):
        if tag not in {"meta", "link", "img", "input", "br"}:
            self.open.pop()

    def handle_data(self, data):
        if not any(self.open):
            self.words.append(data)


def read(answer):
    page = Words()
    page.feed(answer.text)
    return page


def prefixed(language, path):
    return path if language == "de" else f"/{language}{path}"


@pytest.mark.parametrize("language", ["en", "tr", "uk", "ar"])
@pytest.mark.parametrize("path", PATHS)
def test_no_german_stands_unmarked_among_another_language(shared, language, path):
    answer = shared.browser().get(prefixed(language, path))
    assert answer.status_code == 200
    words = " ".join(read(answer).words)
    assert not GERMAN.search(
        re.sub(r"\([A-ZÄÖÜa-zäöüß]+\)|Stadt Meschede|[\w ]*Meschede \(Muster\)", "", words)
    )
    assert "<span" not in re.sub(r"<[^>]*>", "", answer.text)
    assert "&lt;span" not in answer.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_says_its_language_and_direction(shared, language):
    page = read(shared.browser().get(prefixed(language, "/termin/")))
    assert page.html["lang"] == language_tag(language)
    assert page.html["dir"] == ("rtl" if language == "ar" else "ltr")


def test_what_the_town_has_in_german_only_is_marked(shared):
    browser = shared.browser()
    only_german = shared.town.legal.supervision["de"]
    assert f'<span lang="de">{only_german}</span>' in browser.get("/tr/impressum").text
    assert f'<span lang="de" dir="ltr">{only_german}</span>' in browser.get("/ar/impressum").text
    assert f" {only_german}</p>" in browser.get("/impressum").text
    assert f" {only_german}</p>" in browser.get("/leicht/impressum").text


@pytest.mark.parametrize(
    ("language", "when", "span", "days"),
    [
        ("de", "Montag, 7. Dezember, 8:00 Uhr", "8:00 Uhr bis etwa 8:20 Uhr", "Montag, Mittwoch und Freitag"),
        ("en", "Monday, 7 December, 8:00", "8:00 to about 8:20", "Monday, Wednesday and Friday"),
        ("tr", "7 Aralık Pazartesi, 8:00", "8:00 – yaklaşık 8:20", "Pazartesi, Çarşamba ve Cuma"),
        ("uk", "понеділок, 7 грудня, 8:00", "з 8:00 приблизно до 8:20", "понеділок, середа і пʼятниця"),
        # Arabic has a comma of its own, U+060C.
        ("ar", "الاثنين، 7 ديسمبر، 8:00", "8:00 حتى حوالي 8:20", "الاثنين والأربعاء والجمعة"),
        (
            "leicht",
            "Montag, 7. Dezember, 8:00 Uhr",
            "8:00 Uhr bis etwa 8:20 Uhr",
            "Montag, Mittwoch und Freitag",
        ),
    ],
)
def test_times_and_lists_are_joined_as_the_language_joins_them(shared, language, when, span, days):
    start = datetime(2026, 12, 7, 8, tzinfo=ZoneInfo("Europe/Berlin"))
    with shared.app.test_request_context():
        g.language = language
        assert short_moment(start) == when
        assert moment(start).endswith("8:00 Uhr" if language in {"de", "leicht"} else "8:00")
        assert times_between(start, start + timedelta(minutes=20)) == span
        names = weekday_names()
        assert listed([names[day][1] for day in (0, 2, 4)]) == days


def test_what_is_listed_keeps_its_marks_and_nothing_else(shared):
    with shared.app.test_request_context():
        assert listed([Markup('<span lang="de">Pass</span>'), "a < b"]) == (
            '<span lang="de">Pass</span> und a &lt; b'
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_of_the_way_joins_a_day_and_a_time_by_a_comma_of_its_own(shared, language):
    prefix = "" if language == "de" else f"/{language}"
    text = shared.browser().get(f"{prefix}/termin/zeit?{CHOICE}").text
    first = re.search(r'class="earliest">.*?<button[^>]*>([^<]+)</button>', text, re.DOTALL)
    with shared.app.test_request_context():
        g.language = language
        assert first[1] == short_moment(
            datetime.fromisoformat(re.search(r'name="start" value="([^"]+)"', text)[1])
        )


def test_every_page_leads_to_itself_in_each_other_language(shared):
    text = shared.browser().get(f"/uk/termin/zeit?{CHOICE}").text
    for language in LANGUAGES:
        link = f'lang="{language_tag(language)}" hreflang="{language_tag(language)}">{NATIVE_NAMES[language]}</a>'
        assert (link in text) == (language != "uk")
    assert "/ar/termin/zeit?office=buergerbuero&amp;service=reisepass:2&amp;service=beglaubigung" in text


@pytest.mark.parametrize(
    ("language", "day", "time", "price"),
    [
        ("de", "Montag, 7. Dezember", "8:00 Uhr", "70,00\xa0€"),
        ("en", "Monday, 7 December", "8:00", "€70.00"),
        ("tr", "7 Aralık Pazartesi", "8:00", "€70,00"),
        ("uk", "понеділок, 7 грудня", "8:00", "70,00\xa0EUR"),
        ("ar", "الاثنين، 7 ديسمبر", "8:00", "70.00\xa0€"),
        ("leicht", "Montag, 7. Dezember", "8:00 Uhr", "70,00\xa0€"),
    ],
)
def test_days_times_and_sums_read_as_the_language_writes_them(shared, language, day, time, price):
    with shared.app.test_request_context():
        g.language = language
        assert day_and_month(date(2026, 12, 7)) == day
        assert clock_time(datetime(2026, 12, 7, 8, tzinfo=ZoneInfo("Europe/Berlin"))) == time
        assert price in money(7000).replace("\u200f", "")


@pytest.mark.parametrize(
    ("language", "counted"),
    [
        ("uk", ["1 хвилина", "3 хвилини", "5 хвилин", "21 хвилина"]),
        ("ar", ["دقيقة واحدة", "3 دقائق", "5 دقائق", "21 دقيقة"]),
        ("tr", ["1 dakika", "3 dakika", "5 dakika", "21 dakika"]),
    ],
)
def test_numbers_take_the_plural_of_the_language(language, counted):
    words = load_translations(language)
    found = [words.ngettext("%(num)s Minute", "%(num)s Minuten", n) % {"num": n} for n in (1, 3, 5, 21)]
    assert found == counted


def test_examples_that_run_from_left_to_right_are_isolated_in_arabic():
    # Spaces and hyphens between digits would turn their order around (UAX #9, rule W2).
    with (CATALOGUES / "ar.po").open("rb") as file:
        messages = [message for message in read_po(file, locale="ar") if message.id]
    texts = [message.string for message in messages if isinstance(message.string, str)]
    example = re.compile(r"\d+ \d+|\d-\d|\w@\w")
    isolated = re.compile("\u2066[^\u2069]*\u2069")
    assert sum(bool(example.search(text)) for text in texts) == 4
    assert [text for text in texts if example.search(isolated.sub("", text))] == []


def test_the_catalogues_are_those_of_the_languages():
    assert {file.stem for file in CATALOGUES.glob("*.po")} == {*LANGUAGES, "de_du"} - {"de"}


@pytest.mark.parametrize(
    ("language", "query", "service"),
    [
        ("de", "umgezogen", "anmeldung"),
        ("de", "Pass abgelaufen", "reisepass"),
        ("tr", "taşındım", "anmeldung"),
        ("tr", "PASAPORT", "reisepass"),
        ("uk", "переїзд", "anmeldung"),
        ("uk", "ключі", "fundbuero"),
        ("ar", "هوية", "personalausweis"),
        ("ar", "مفاتيح", "fundbuero"),
    ],
)
def test_everyday_words_of_each_language_find_the_service(town, language, query, service):
    assert service in [found.id for found in search(town.services, query, language)][:2]


@pytest.fixture(scope="module")
def informal(shared):
    with site(replace(shared.town, informal=True), shared.calendar.url, Clock()) as app:
        yield app.test_client()


@pytest.mark.parametrize(
    "path", [*PATHS, "/datenschutz", "/barrierefreiheit", "/termin/?weiter=1", "/nothing"]
)
def test_a_town_that_says_du_says_it_on_every_page(informal, shared, path):
    said = " ".join(read(informal.get(path)).words)
    for own in sorted((texts["de"] for texts in _texts(shared.town)), key=len, reverse=True):
        said = said.replace(own, "")
    assert not re.search(r"\b(Sie|Ihnen|Ihre?[mnrs]?)\b", said)


def test_a_town_that_says_du_greets_so(informal):
    assert "Dein Termin im Rathaus" in informal.get("/").text
    assert "Ihr Termin im Rathaus" in informal.get("/leicht/").text


def _texts(value):
    """The town's own texts, which say what the town wants."""
    if isinstance(value, dict):
        if "de" in value and isinstance(value["de"], str):
            yield value
        return
    if isinstance(value, tuple):
        for item in value:
            yield from _texts(item)
    for name in getattr(value, "__slots__", ()):
        yield from _texts(getattr(value, name))


def test_sentences_in_leichte_sprache_are_short():
    with (CATALOGUES / "leicht.po").open("rb") as file:
        catalogue = read_po(file, locale=locale_of("leicht"))
    sentences = [
        sentence
        for message in catalogue
        if message.id
        for text in ([message.string] if isinstance(message.string, str) else message.string)
        for sentence in re.split(r"(?<=[.!?:])\s+", text)
    ]
    assert len(sentences) > 100
    assert [sentence for sentence in sentences if len(sentence.split()) > LONGEST_SENTENCE] == []
    assert [sentence for sentence in sentences if sentence.count(",") > 2 or ";" in sentence] == []


def test_each_sentence_in_leichte_sprache_has_a_line_of_its_own(shared):
    text = shared.browser().get("/leicht/").text
    assert "Dann brauchen Sie einen Termin.\nEin Termin ist ein Tag und eine Uhrzeit.\nDann haben wir" in text
    assert "Sie haben etwas verloren.\nOder Sie haben etwas gefunden." in text
    assert "\nEin Termin" not in shared.browser().get("/").text


def test_the_explanation_in_leichte_sprache_leads_on_in_it(shared):
    assert 'href="/leicht/termin/"' in shared.browser().get("/leichte-sprache").text
    assert 'href="/en/termin/"' in shared.browser().get("/en/leichte-sprache").text


def test_leichte_sprache_is_there_from_the_start_to_her_own_page(citizens):
    browser = citizens.browser()
    assert "Dann haben wir Zeit für Sie." in browser.get("/leicht/").text
    assert "Machen Sie einen Haken." in browser.get("/leicht/termin/").text
    assert "Das müssen Sie mitbringen" in browser.get(f"/leicht/termin/unterlagen?{CHOICE}").text
    page = browser.get(f"/leicht/termin/zeit?{CHOICE}").text
    assert "Suchen Sie einen Tag und eine Uhrzeit aus." in page
    start = re.search(r'name="start" value="([^"]+)"', page)[1]
    held = browser.post(
        f"/leicht/termin/zeit?{CHOICE}", data={"start": start, "key": "k"}, follow_redirects=True
    )
    assert "Wer kommt?\nSchreiben Sie Ihren Namen." in held.text
    wrong = browser.post(
        re.search(r'action="([^"]+/daten[^"]*)"', held.text)[1].replace("&amp;", "&"), data={}
    )
    assert "Schreiben Sie Ihre E-Mail-Adresse." in wrong.text
    entries = {"name": "Erika Mustermann", "email": "erika@example.org", "start": start}
    checked = browser.post(
        re.search(r'action="([^"]+/daten[^"]*)"', held.text)[1].replace("&amp;", "&"), data=entries
    )
    assert "Ist alles richtig?" in checked.text
    done = browser.post(
        re.search(r'action="([^"]+/buchen[^"]*)"', checked.text)[1].replace("&amp;", "&"),
        data=entries,
        follow_redirects=True,
    )
    assert "Sie haben jetzt einen Termin" in done.text
    hers = browser.get(re.search(r'href="(/leicht/termin/[a-z2-7]{42})"', done.text)[1])
    assert "Andere Zeit aussuchen" in hers.text
    cancel = browser.get(re.search(r'href="([^"]+/absagen)"', hers.text)[1])
    assert "Absagen heißt: Sie kommen nicht." in cancel.text


@pytest.mark.parametrize(("language", "clerk_reads"), [("ar", "Arabisch"), ("leicht", "Leichte Sprache")])
def test_the_language_of_the_pages_is_that_of_her_mails_and_the_clerk_learns_of_it(
    citizens, language, clerk_reads
):
    answer = citizens.browser().post(
        "/api/v1/appointments",
        json={
            "office": "buergerbuero",
            "services": [{"id": "fundbuero"}],
            "start": "2026-12-07T08:00:00+01:00",
            "name": "Layla Haddad",
            "email": "layla@example.org",
            "language": language,
        },
        headers={"Authorization": f"Bearer {API_KEY}"},
    )
    assert answer.status_code == 201
    [stored] = citizens.calendar.calendar("lead", "buergerbuero/appointments").events()
    event = stored.icalendar_component
    assert event["X-TERMIN-LANGUAGE"] == language
    assert f"Sprache: {clerk_reads}" in event["DESCRIPTION"]
    letters = Letters(citizens.town, SECRET)
    seen = Snapshot.of(from_ical(stored.data, citizens.town.zone), "buergerbuero")
    letter = letters.letter(Decision(Kind.CONFIRMATION, Told(seen, 0), None))
    assert letter.title == wording(language).say("titles", "confirmation")
    assert letter.link[1].startswith(f"https://termin.example/{language}/termin/")
