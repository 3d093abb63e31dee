"""A clerk's calendar at a secret address: what is read there, by whom, and what stays secret."""

from __future__ import annotations

import re

import pytest
import requests
from icalendar import Calendar

from calendar_server.accounts import AccountError, Accounts
from calendar_server.client import CalendarClient, RefusedError
from calendar_server.feeds import MOST, Feeds, path_of
from tests.calendar_server.test_declined import OUTLOOK, THUNDERBIRD, meeting
from tests.calendar_server.test_scheduling import event
from tests.clients.dav import Dav
from tests.support.calendar import PASSWORD, calendar_server
from tests.support.databases import fresh_sqlite
from tests.support.town import NOW, appointment, at, clerk, directory, office

ONE_CLERK = directory(office(clerk("clerk1")))


@pytest.fixture(params=[False, True], ids=["bare", "names"])
def names(request):
    return request.param


@pytest.fixture
def town(tmp_path, clock, names):
    with calendar_server(fresh_sqlite(tmp_path), ONE_CLERK, clock, names_in_feeds=names) as made:
        yield made


@pytest.fixture
def feed(town):
    """The address of clerk1's calendar."""
    return town.url + town.client("clerk1").add_feed("Outlook")


def events(url: str) -> dict[str, object]:
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200
    return {str(event["SUMMARY"]): event for event in Calendar.from_ical(answer.text).walk("VEVENT")}


def booked(town) -> None:
    value = appointment(
        "a1@test", at(7, 8), "reisepass", "meldebescheinigung", reference="AB-12", remarks="Bitte leise"
    )
    town.client().book(value, now=NOW)


def test_it_is_read_without_a_login(town, feed):
    booked(town)
    answer = requests.get(feed, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/calendar; charset=utf-8")
    assert answer.headers["Cache-Control"].startswith("private")
    (event,) = Calendar.from_ical(answer.text).walk("VEVENT")
    assert (event.start, event.end) == (at(7, 8), at(7, 8, 30))


def test_names_are_in_it_only_if_the_configuration_says_so(town, feed, names):
    booked(town)
    own = meeting(THUNDERBIRD, "ACCEPTED").replace("20261207", "20261209")
    Dav(town, "clerk1", "x").put("/clerk1/calendar/m.ics", own)
    text = re.sub("\r\n ", "", requests.get(feed, timeout=10).text)
    typed = ("Erika", "erika@example.org", "Bitte leise", "Runder Tisch", "amt@example.org", "a1@test")
    assert [word in text for word in typed] == [names, False, False, names, names, names]
    assert "X-TERMIN" not in text
    if not names:
        found = events(feed)
        assert found.keys() == {"Meldebescheinigung, Reisepass", "Belegt"}
        assert found["Meldebescheinigung, Reisepass"]["DESCRIPTION"] == "Vorgangsnummer AB-12"
        assert (found["Belegt"].start, found["Belegt"].end) == (at(9, 9), at(9, 12))


def test_what_has_not_changed_is_not_sent_again(town, feed):
    booked(town)
    first = requests.get(feed, timeout=10)
    known = {"If-None-Match": first.headers["ETag"]}
    again = requests.get(feed, headers=known, timeout=10)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert (
        requests.get(
            feed, headers={"If-None-Match": f'"x", W/{known["If-None-Match"]}'}, timeout=10
        ).status_code
        == 304
    )
    town.client().cancel("buergerbuero", "a1@test")
    changed = requests.get(feed, headers=known, timeout=10)
    assert changed.status_code == 200
    assert Calendar.from_ical(changed.text).walk("VEVENT") == []


def test_a_day_later_it_reaches_a_day_further(town, feed, clock):
    etag = requests.get(feed, timeout=10).headers["ETag"]
    clock.advance(hours=6)
    assert requests.head(feed, headers={"If-None-Match": etag}, timeout=10).status_code == 304
    clock.advance(hours=12)
    assert requests.head(feed, headers={"If-None-Match": etag}, timeout=10).status_code == 200


def test_a_head_request_tells_the_same_without_the_text(town, feed):
    booked(town)
    got, asked = requests.get(feed, timeout=10), requests.head(feed, timeout=10)
    for name in ("ETag", "Content-Length", "Content-Type", "Cache-Control"):
        assert asked.headers[name] == got.headers[name]
    assert asked.content == b""


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PROPFIND", "REPORT", "MOVE", "PROPPATCH"])
def test_nothing_can_be_written_there(town, feed, method):
    assert requests.request(method, feed, data=b"x", timeout=10).status_code == 405


def test_a_revoked_address_is_not_found(town, feed):
    client = town.client("clerk1")
    other = town.url + client.add_feed("Handy")
    first, second = client.feeds()
    assert (first["label"], second["label"]) == ("Outlook", "Handy")
    client.revoke_feed(first["id"])
    assert requests.get(feed, timeout=10).status_code == 404
    assert requests.get(other, timeout=10).status_code == 200
    with pytest.raises(RefusedError):
        client.revoke_feed(first["id"])


@pytest.mark.parametrize(
    "path",
    ["/feeds/", "/feeds/x", "/feeds/x.ics", "/feeds/%00.ics", f"/feeds/{'a' * 5000}.ics", "/feeds/ä.ics"],
)
def test_an_address_that_is_none_is_not_found(town, path):
    assert requests.get(town.url + path, timeout=10).status_code == 404


def test_a_holds_place_and_what_is_free_are_not_shown(town, feed, clock):
    town.client().book(appointment("h@test", hold_until=clock.now.replace(minute=10)), now=NOW)
    free = meeting(OUTLOOK, "ACCEPTED").replace("TRANSP:OPAQUE", "STATUS:CANCELLED")
    Dav(town, "clerk1", "x").put("/clerk1/calendar/m.ics", free)
    assert [event.get("STATUS") for event in events(feed).values()] in ([], ["CANCELLED"])


def test_what_reaches_further_than_there_are_dates_stops_nothing(town, feed):
    booked(town)
    text = event("00010101T000000Z", "99991231T235959Z", uid="m")
    assert Dav(town, "clerk1", "x").put("/clerk1/calendar/m.ics", text).status_code == 201
    assert len(Calendar.from_ical(requests.get(feed, timeout=10).text).walk("VEVENT")) == 2


def test_a_series_keeps_its_hours_over_both_nights(town, feed):
    """In an Outlook zone, an own zone of the same name, and Thunderbird's."""
    dav = Dav(town, "clerk1", "x")
    weekly = "RRULE:FREQ=WEEKLY;COUNT=52\n"
    dav.put(
        "/clerk1/calendar/o.ics", meeting(OUTLOOK, "ACCEPTED", more=weekly).replace("UID:meeting", "UID:o")
    )
    mine = (
        meeting(OUTLOOK, "ACCEPTED")
        .replace("W. Europe Standard Time", "Customized Time Zone")
        .replace("UID:meeting", "UID:mine")
    )
    dav.put("/clerk1/calendar/mine.ics", mine.replace("20261207T", "20261208T"))
    other = mine.replace("UID:mine", "UID:other").replace("TZOFFSETTO:+0100", "TZOFFSETTO:+0300")
    other = other.replace("TZOFFSETFROM:+0100", "TZOFFSETFROM:+0300")
    dav.put("/clerk1/calendar/other.ics", other.replace("20261207T", "20261209T"))
    calendar = Calendar.from_ical(requests.get(feed, timeout=10).text)
    zones = [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")]
    assert len(zones) == len(set(zones))
    hours = {}
    for answer in dav_instances(feed):
        hours.setdefault(answer[0], set()).add(answer[1])
    assert hours["2027-01-04"] == hours["2027-07-05"] == {"09:00"}
    assert hours["2026-12-08"] == {"09:00"}
    # Nine o'clock at UTC+3 is seven in Meschede.
    assert hours["2026-12-09"] == {"07:00"}


def dav_instances(feed: str) -> list[tuple[str, str]]:
    """What a program that follows the file's own zones shows: (day, time) in Meschede."""
    import recurring_ical_events  # noqa: PLC0415

    calendar = Calendar.from_ical(requests.get(feed, timeout=10).text)
    zone = ONE_CLERK.offices[0].zone
    found = recurring_ical_events.of(calendar).between(at(1, 0), at(1, 0, year=2027))
    starts = [event.start.astimezone(zone) for event in found]
    return [(f"{start:%Y-%m-%d}", f"{start:%H:%M}") for start in starts]


def test_only_a_password_makes_addresses(town):
    client = town.client("clerk1")
    secret = client.add_app_password("Thunderbird")
    program = CalendarClient(town.url, "clerk1", secret)
    with pytest.raises(RefusedError):
        program.add_feed("x")
    with pytest.raises(RefusedError):
        program.add_app_password("x")
    with pytest.raises(RefusedError):
        program.feeds()
    (known,) = client.app_passwords()
    assert known["label"] == "Thunderbird"
    client.revoke_app_password(known["id"])
    assert client.app_passwords() == []


@pytest.mark.parametrize("account", ["lead", "admin", "site"])
def test_who_has_no_calendar_gets_no_address(town, account):
    with pytest.raises(RefusedError):
        town.client(account).add_feed("x")


def test_ones_own_addresses_are_nobody_elses(town, feed):
    (mine,) = town.client("clerk1").feeds()
    assert town.client("lead").feeds() == []
    with pytest.raises(RefusedError):
        town.client("lead").revoke_feed(mine["id"])
    assert requests.get(feed, timeout=10).status_code == 200


def test_only_a_digest_is_kept(service, clock):
    feeds, accounts = Feeds(service.database, clock), Accounts(service.database, clock)
    from calendar_server.accounts import Account, AccountRole  # noqa: PLC0415

    accounts.add(Account("clerk1", AccountRole.CLERK))
    token = feeds.add("clerk1", "Outlook")
    assert token not in repr(feeds.of("clerk1"))
    assert feeds.of("clerk1")[0].last_used is None
    assert feeds.account_of(token) == "clerk1"
    assert feeds.of("clerk1")[0].last_used == clock.now
    assert feeds.account_of(token[:-1]) is None
    for number in range(MOST - 1):
        feeds.add("clerk1", str(number))
    with pytest.raises(AccountError):
        feeds.add("clerk1", "one too many")
    accounts.remove("clerk1")
    assert feeds.account_of(token) is None


def test_the_address_is_in_no_log(town, feed, capfd):
    client = town.client("clerk1")
    requests.get(feed, timeout=10)
    requests.get(feed + "?x=1", timeout=10)
    requests.request("PROPFIND", feed, timeout=10)
    client.revoke_feed(client.feeds()[0]["id"])
    requests.get(feed, timeout=10)
    said = capfd.readouterr()
    token = feed.rpartition("/")[2].removesuffix(".ics")
    assert len(token) >= 43
    assert token not in said.out + said.err
    assert path_of(token) in feed
    assert PASSWORD not in said.err
