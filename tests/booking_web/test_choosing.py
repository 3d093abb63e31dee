"""Choosing day and time: list and month, next and previous, mornings and afternoons, and which of several offices."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from calendar_server.offices import Directory
from tests.booking_web.conftest import world
from tests.booking_web.test_api import post
from tests.booking_web.test_pages import Page, begin

CHOICE = "office=buergerbuero&service=fundbuero"


@pytest.fixture(scope="module")
def three_offices(town, directory, tmp_path_factory):
    """The second office opens like the first and has no clerk before nine; the third doesn't do lost property."""
    first, model = town.offices[0], directory.offices[0]
    later = tuple(
        replace(each, start=each.start.replace(hour=9)) if each.start.hour < 9 else each
        for each in model.clerks[1].working_times
    )
    infos, offices = [first], [model]
    for number, (name, services) in enumerate(
        {"freienohl": ("fundbuero", "reisepass"), "eversberg": ("reisepass",)}.items()
    ):
        infos.append(replace(first, id=name, name={"de": name.capitalize()}, services=services))
        clerk = replace(
            model.clerks[1], id=f"clerk{number + 8}", services=frozenset(services), working_times=later
        )
        offices.append(replace(model, id=name, clerks=(clerk,), services=frozenset(services)))
    folder = tmp_path_factory.mktemp("three")
    with world(replace(town, offices=tuple(infos)), Directory(tuple(offices)), folder) as made:
        yield made


def page(made, query):
    return Page(made.browser().get(f"/termin/zeit?{query}"))


def test_the_earliest_free_time_comes_first(shared):
    answer = shared.browser().get(f"/termin/zeit?{CHOICE}").text
    assert "Der früheste freie Termin" in answer
    first = re.search(r'name="start" value="([^"]+)"', answer)
    assert first[1] == "2026-12-02T08:00:00+01:00"
    assert "Ohne Termin können Sie zu diesen Zeiten kommen:" in answer


def test_one_day_leads_to_the_next_and_the_one_before(shared):
    monday = page(shared, f"{CHOICE}&day=2026-12-07")
    assert f"/termin/zeit?{CHOICE}&day=2026-12-02#zeiten" in monday.links
    assert f"/termin/zeit?{CHOICE}&day=2026-12-09#zeiten" in monday.links
    assert "Vormittag" in monday.text
    assert "Nachmittag" in monday.text
    wednesday = page(shared, f"{CHOICE}&day=2026-12-02")
    assert "Nachmittag" not in wednesday.text
    assert wednesday.text.count("Mittwoch, 2. Dezember 2026") == 1


def test_a_month_leads_to_the_next_and_the_one_before(shared):
    december = page(shared, f"{CHOICE}&ansicht=monat")
    later = next(link for link in december.links if link and "monat=2027-01-01" in link)
    january = Page(shared.browser().get(later))
    assert "Januar 2027" in january.text
    assert any(link and "monat=2026-12-01" in link for link in january.links)
    assert any(link and "day=2027-01-04" in link for link in january.links)
    assert not any(link and "day=2027-01-06" in link and "monat=2026" in link for link in january.links)


def test_offices_that_do_it_are_told_the_earliest_first(three_offices):
    shown = page(three_offices, "office=freienohl&service=fundbuero")
    text = shown.text
    assert text.index("Bürgerbüro Meschede frei ab Mittwoch, 2. Dezember, 8:00 Uhr") < text.index(
        "Freienohl frei ab Mittwoch, 2. Dezember, 9:30 Uhr"
    )
    assert "Eversberg frei ab" not in text
    assert "/termin/zeit?office=buergerbuero&service=fundbuero" in shown.links


def test_an_office_is_chosen_by_its_link_and_keeps_the_choice(three_offices):
    answer = three_offices.browser().get("/termin/zeit?office=freienohl&service=reisepass:2").text
    assert re.search(r'office=freienohl[^"]*" aria-current="true"', answer)
    assert "office=eversberg&amp;service=reisepass:2" in answer


def test_where_nothing_is_free_another_office_is_still_told(three_offices):
    for hour in (9, 10, 11):
        for minute in ("00", "15", "30", "45"):
            post(
                three_offices,
                "appointments",
                {
                    "office": "eversberg",
                    "services": [{"id": "reisepass", "persons": 1}],
                    "start": f"2026-12-02T{hour:02}:{minute}:00+01:00",
                    "name": "Erika M",
                    "email": "e@example.org",
                },
            )
    assert (
        "Eversberg frei ab Montag, 7. Dezember"
        in page(three_offices, "office=freienohl&service=reisepass").text
    )


def test_one_office_alone_asks_nothing(shared):
    assert "Standort" not in page(shared, CHOICE).text


def test_without_scripts_an_offices_services_are_shown_by_a_button(three_offices):
    answer = three_offices.browser().get("/termin/?office=eversberg&standort=1")
    assert answer.status_code == 200
    assert 'id="service-reisepass"' in answer.text
    assert 'id="service-fundbuero"' not in answer.text
    assert 'name="standort"' in answer.text


def test_a_hold_is_told_as_a_clock_time_and_can_be_prolonged(citizens):
    browser = citizens.browser()
    address = begin(browser, choice=CHOICE)
    assert "Wir halten diese Zeit bis 12:10 Uhr für Sie frei." in Page(browser.get(address)).text
    citizens.clock.advance(minutes=8)
    prolonged = Page(browser.post(address, data={"wish": "prolong", "name": "Erika"}))
    assert "Verlängert." in prolonged.text
    assert "bis 12:18 Uhr" in prolonged.text


def test_nobody_holds_two_times(citizens):
    browser = citizens.browser()
    for start in ("2026-12-07T08:00:00+01:00", "2026-12-09T09:00:00+01:00", "2026-12-14T10:00:00+01:00"):
        begin(browser, start, choice=CHOICE)
    events = citizens.calendar.calendar("lead", "buergerbuero/appointments").events()
    assert len(events) == 1
