"""What a citizen is told about services before she chooses a time: order, links, several at once, what to bring, what it costs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from booking_web.booking.checklist import checklist
from booking_web.booking.choice import choose
from booking_web.booking.durations import duration
from booking_web.booking.errors import InvalidError

BOTH = "office=buergerbuero&service=reisepass:2&service=personalausweis:3"


class Microdata(HTMLParser):
    """The items of schema.org on a page: (type, {property: text or link})."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.items: list[tuple[str, dict[str, str]]] = []
        self._property = ""
        self.feed(answer.text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if "itemtype" in values:
            self.items.append((values["itemtype"].removeprefix("https://schema.org/"), {}))
        self._property = values.get("itemprop", "") if "itemscope" not in values else ""
        if self._property and ("content" in values or "href" in values):
            self.items[-1][1][self._property] = values.get("content") or values["href"]

    def handle_data(self, data):
        if self._property and data.strip():
            self.items[-1][1].setdefault(self._property, data.strip())

    def handle_endtag(self, tag):
        self._property = ""


def documents(browser, query):
    return browser.get(f"/termin/unterlagen?{query}").text


def test_services_stand_in_the_towns_order_frequent_ones_first(shared, town):
    order = list(town.offices[0].services)
    assert order[:2] == ["personalausweis", "reisepass"]
    assert re.findall(r'id="service-([a-z]+)"', shared.browser().get("/termin/").text) == order
    assert re.findall(r'href="/termin/\?service=([a-z]+)"', shared.browser().get("/").text) == order


@pytest.mark.parametrize("service", ["reisepass", "fundbuero"])
def test_a_link_leads_straight_to_a_service(shared, service):
    text = shared.browser().get(f"/termin/?service={service}").text
    assert re.findall(r'value="([a-z]+)" checked', text) == [service]


def test_a_link_may_name_several_with_their_numbers_of_persons(shared):
    text = shared.browser().get("/termin/?service=reisepass:2&service=beglaubigung").text
    assert re.findall(r'value="([a-z]+)" checked', text) == ["reisepass", "beglaubigung"]
    persons = text[text.index('id="persons-reisepass"') :]
    assert '<option value="2" selected>' in persons[: persons.index("</select>")]


def test_together_they_take_less_than_one_by_one(town):
    services = {service.id: service for service in town.services}
    passport, card = services["reisepass"], services["personalausweis"]
    one_by_one = duration([(passport, 1)]) + duration([(card, 1)])
    assert duration([(passport, 1), (card, 1)]) < one_by_one
    assert duration([(passport, 2)]) < 2 * duration([(passport, 1)])


@pytest.mark.parametrize(
    "chosen",
    [
        [("reisepass", 7)],
        [("fundbuero", 2)],
        [(service, 1) for service in ("personalausweis", "reisepass", "anmeldung", "abmeldung", "fundbuero")],
        [("anmeldung", 8), ("reisepass", 6), ("personalausweis", 6)],
    ],
    ids=["persons", "one person only", "services", "minutes"],
)
def test_there_are_limits_to_what_one_appointment_takes(town, chosen):
    with pytest.raises(InvalidError):
        choose(town, "buergerbuero", chosen)


def test_the_checklist_is_one_for_all_services_and_persons(shared):
    text = documents(shared.browser(), BOTH)
    assert text.count("Digitales Passfoto") == 1
    photo = text[text.index("Digitales Passfoto") :].split("</li>")[0]
    assert "für jede Person" in photo
    assert "Personalausweis und Reisepass" in photo


def test_what_children_and_first_timers_bring_stands_apart(shared, town):
    text = documents(shared.browser(), "service=reisepass")
    always, _, sometimes = text.partition("Nur in manchen Fällen")
    assert "Digitales Passfoto" in always
    assert "Zustimmung aller Sorgeberechtigten" not in always
    assert "bei Kindern unter 18 Jahren" in sometimes
    assert "beim ersten Pass" in sometimes
    items = checklist(choose(town, "buergerbuero", [("reisepass", 1)]))
    assert {item.document.needed_by.value for item in items} == {"everyone", "first-time", "child", "lost"}


def test_one_landlords_confirmation_is_enough_for_the_family(shared):
    text = documents(shared.browser(), "service=anmeldung:4")
    confirmation = text[text.index("Wohnungsgeberbestätigung</p>") :].split("</li>")[0]
    assert "für jede Person" not in confirmation


def test_fees_are_told_for_whom_they_are(shared):
    text = documents(shared.browser(), "service=reisepass&service=anmeldung")
    assert re.search(r"ab 24 Jahren</span> <strong>70,00\s€", text)
    assert re.search(r"Express</span> <strong>\+ 32,00\s€", text)
    assert "<strong>kostenlos</strong>" in text


def test_what_can_be_done_online_is_told_with_its_link(shared):
    text = documents(shared.browser(), "service=anmeldung")
    assert "Das geht auch online, ohne Termin:" in text
    assert 'href="https://www.wohnsitzanmeldung.de/"' in text
    assert "Das geht auch online" not in documents(shared.browser(), "service=beglaubigung")


def test_machines_learn_of_the_office_and_its_services(shared, town):
    office = dict(Microdata(shared.browser().get("/")).items)
    assert office["GovernmentOffice"] == {"name": "Bürgerbüro Meschede", "telephone": town.offices[0].phone}
    assert office["PostalAddress"]["addressLocality"] == "Meschede"
    found = Microdata(shared.browser().get(f"/termin/unterlagen?{BOTH}")).items
    assert found == [
        (
            "GovernmentService",
            {
                "name": "Personalausweis (3 Personen)",
                "url": "https://termin.example/termin/?service=personalausweis",
            },
        ),
        (
            "GovernmentService",
            {"name": "Reisepass (2 Personen)", "url": "https://termin.example/termin/?service=reisepass"},
        ),
    ]


def test_the_frame_offers_every_service_in_its_language(shared, town):
    text = shared.browser().get("/uk/embed").text
    for service in town.services:
        assert f'href="/uk/termin/?service={service.id}" target="_top"' in text
    assert "Закордонний паспорт" in text
    assert '<html lang="uk"' in text


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_the_one_page_that_search_engines_read_names_all_services(shared, town, prefix):
    items = [
        item
        for kind, item in Microdata(shared.browser().get(prefix + "/")).items
        if kind == "GovernmentService"
    ]
    assert [item["url"] for item in items] == [
        f"{prefix}/termin/?service={name}" for name in town.offices[0].services
    ]
    assert all(item["name"] and item["description"] for item in items)


def test_crawlers_stay_out_of_the_steps_in_every_language(shared, town):
    lines = shared.browser().get("/robots.txt").text.splitlines()
    assert lines[:2] == ["User-agent: *", "Disallow: /termin/"]
    for language in town.languages[1:]:
        assert f"Disallow: /{language}/termin/" in lines
