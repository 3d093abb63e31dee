"""What people do in their CalDAV clients, through a real client and over HTTP."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
import requests

from calendar_server.client import RefusedError
from calendar_server.ical.appointment import from_ical, to_ical
from tests.support.calendar import PASSWORD, CalendarServer
from tests.support.town import BERLIN, NOW, appointment, at

if TYPE_CHECKING:
    import caldav

OFFICE = "buergerbuero/appointments"


def http(
    server: CalendarServer, method: str, path: str, account: str = "lead", **options
) -> requests.Response:
    return requests.request(
        method, f"{server.url}/{path}", auth=(account, PASSWORD) if account else None, timeout=10, **options
    )


def only_event(server: CalendarServer, account: str) -> caldav.Event:
    (event,) = server.calendar(account).events()
    return event


def names(items) -> list[str]:
    return sorted(unquote(str(item.url)).rpartition("/")[2] for item in items)


def holder(server: CalendarServer) -> str:
    return next(name for name in ("clerk1", "clerk2") if server.calendar(name).events())


def test_a_booking_is_in_one_clerks_calendar_and_in_the_office_view(server):
    server.client().book(appointment(), now=NOW)
    calendars = {name: len(server.calendar(name).events()) for name in ("clerk1", "clerk2")}
    assert sorted(calendars.values()) == [0, 1]
    (seen,) = server.calendar("lead", OFFICE).events()
    assert names([seen]) == ["a1@test.ics"]


def test_a_clerk_discovers_her_calendar(server):
    names = [str(calendar.url) for calendar in server.caldav("clerk1").principal().calendars()]
    assert any(name.endswith("/clerk1/calendar/") for name in names)


def test_a_clerk_drags_an_appointment(server):
    server.client().book(appointment(), now=NOW)
    event = only_event(server, holder(server))
    with event.edit_icalendar_component() as component:
        component["DTSTART"].dt = at(7, 11)
        component["DTEND"].dt = at(7, 11, 30)
    event.save()
    moved = server.client().read("buergerbuero", "a1@test", BERLIN).appointment
    assert (moved.start, moved.sequence, moved.email) == (at(7, 11), 1, "erika@example.org")


def test_dragging_onto_another_appointment_is_refused_and_changes_nothing(server):
    server.client().book(appointment("a1@test", at(7, 8)), now=NOW)
    clerk = holder(server)
    log = server.change_log()
    server.client().book(appointment("a2@test", at(7, 9)), now=NOW)
    text = to_ical(appointment("a3@test", at(7, 9, 15)), now=NOW)
    both = {
        change.uid: change.clerk for change in log.read("buergerbuero", 0) if change.kind == "appointment"
    }
    taken = at(7, 8, 15) if both["a1@test"] == clerk else at(7, 9)
    answer = http(
        server,
        "PUT",
        f"{clerk}/calendar/a3@test.ics",
        clerk,
        data=to_ical(appointment("a3@test", taken), now=NOW),
    )
    assert answer.status_code == 403
    assert '<T:time-taken xmlns:T="urn:termin"/>' in answer.text
    assert http(server, "GET", f"{clerk}/calendar/a3@test.ics", clerk).status_code == 404
    del text


def test_the_hotline_draws_an_event_into_the_office_calendar(server):
    drawn = server.calendar("lead", OFFICE).save_event(
        dtstart=at(7, 10), dtend=at(7, 10, 45), summary="Herr Schmidt, telefonisch", uid="drawn@client"
    )
    assert drawn is not None
    event = only_event(server, holder(server))
    assert str(event.icalendar_component["SUMMARY"]) == "Herr Schmidt, telefonisch"


@pytest.mark.parametrize(
    ("start", "rule"),
    [(at(8, 10), "outside-opening-hours"), (at(7, 8), "no-free-clerk")],
    ids=["Tuesday", "taken"],
)
def test_what_the_hotline_draws_where_nobody_can_take_it_is_refused_by_name(server, start, rule):
    for uid in ("a1@test", "a2@test"):
        server.client().book(appointment(uid, at(7, 8)), now=NOW)
    answer = http(server, "PUT", f"{OFFICE}/x.ics", data=to_ical(appointment("x", start), now=NOW))
    assert answer.status_code == 403
    assert f"<T:{rule} " in answer.text


def test_the_lead_moves_an_appointment_in_the_office_view(server):
    server.client().book(appointment(), now=NOW)
    (event,) = server.calendar("lead", OFFICE).events()
    etag = http(server, "GET", f"{OFFICE}/a1@test.ics").headers["ETag"]
    moved = from_ical(event.data, BERLIN).at(at(9, 9))
    answer = http(
        server, "PUT", f"{OFFICE}/a1@test.ics", data=to_ical(moved, now=NOW), headers={"If-Match": etag}
    )
    assert answer.status_code == 204
    assert only_event(server, holder(server)).icalendar_component.start == at(9, 9)


def test_windows_drawn_by_the_lead_open_the_office(server):
    thursday = appointment(start=at(10, 15))
    with pytest.raises(RefusedError):
        server.client().book(thursday, now=NOW)
    server.calendar("lead", "buergerbuero/opening").save_event(
        dtstart=at(10, 14), dtend=at(10, 18), summary="Terminzeit", transp="TRANSPARENT", uid="thursday"
    )
    # The clerks' working times of the factory end on Wednesdays, so somebody must work then too.
    with pytest.raises(RefusedError) as refused:
        server.client().book(thursday, now=NOW)
    assert refused.value.rule == "no-free-clerk"


def test_closures_close(server):
    server.calendar("lead", "buergerbuero/opening").save_event(
        dtstart=at(7, 9), dtend=at(7, 10), summary="Betriebsversammlung", uid="closed"
    )
    with pytest.raises(RefusedError) as refused:
        server.client().book(appointment(start=at(7, 9, 30)), now=NOW)
    assert refused.value.rule == "outside-opening-hours"


def test_an_appointment_is_deleted_for_everybody(server):
    server.client().book(appointment(), now=NOW)
    only_event(server, holder(server)).delete()
    assert server.calendar("lead", OFFICE).events() == []
    assert [change.action for change in server.change_log().read("buergerbuero", 0)][-1] == "deleted"


def test_sync_tells_of_what_came_changed_and_went(server):
    calendar = server.calendar("lead", OFFICE)
    server.client().book(appointment("a1@test"), now=NOW)
    first = calendar.objects_by_sync_token(load_objects=True)
    assert len(list(first)) == 1
    server.client().cancel("buergerbuero", "a1@test")
    server.client().book(appointment("a2@test", at(7, 9)), now=NOW)
    changed = calendar.objects_by_sync_token(first.sync_token, load_objects=False)
    assert names(changed) == ["a1@test.ics", "a2@test.ics"]
    again = calendar.objects_by_sync_token(changed.sync_token, load_objects=False)
    assert list(again) == []


def test_an_unknown_sync_token_is_refused_by_its_precondition(server):
    body = (
        '<D:sync-collection xmlns:D="DAV:"><D:sync-token>urn:no</D:sync-token>'
        "<D:sync-level>1</D:sync-level><D:prop/></D:sync-collection>"
    )
    answer = http(server, "REPORT", f"{OFFICE}/", data=body)
    assert answer.status_code == 403
    assert "valid-sync-token" in answer.text


def test_the_busy_feed_follows_bookings_without_names(server):
    client = server.client()
    first = client.busy_changes("buergerbuero")
    client.book(appointment(), now=NOW)
    change = client.busy_changes("buergerbuero", first.token)
    (day,) = change.clerk_days
    assert [period.services for period in day.periods if period.kind == "appointment"] == [
        frozenset({"meldebescheinigung"})
    ]
    assert client.busy_changes("buergerbuero", change.token).clerk_days == ()
    everything = http(server, "REPORT", "buergerbuero/busy/", "site", data=SYNC_ALL).text
    assert "clerk1" not in everything
    assert "erika" not in everything.casefold()
    assert "a1@test" not in everything


SYNC_ALL = (
    '<D:sync-collection xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:sync-token/><D:sync-level>1</D:sync-level>'
    "<D:prop><D:getetag/><C:calendar-data/></D:prop></D:sync-collection>"
)


def test_the_tokens_of_all_busy_feeds_are_told_at_once(server):
    client = server.client()
    first = client.busy_changes("buergerbuero").token
    assert client.busy_tokens() == {"buergerbuero": first}
    client.book(appointment(), now=NOW)
    booked = client.busy_tokens()["buergerbuero"]
    assert booked != first
    assert client.busy_changes("buergerbuero", first).token == booked
    server.clock.advance(days=1)
    assert client.busy_tokens()["buergerbuero"] != booked


def test_only_the_site_follows_all_busy_feeds_at_once(server):
    for account in ("clerk1", "lead", "worker"):
        assert http(server, "GET", ".termin/busy", account).status_code == 403


def test_days_come_into_reach_and_pass_at_midnight(server):
    client = server.client()
    first = client.busy_changes("buergerbuero")
    server.clock.advance(days=1)
    change = client.busy_changes("buergerbuero", first.token)
    assert len(change.opening_days) == 1
    assert len(change.clerk_days) == 2
    assert len(change.gone) == 3
    assert all("2026-12-01" in name for name in change.gone)


def test_well_known_leads_to_the_server(server):
    answer = http(server, "GET", ".well-known/caldav", "", allow_redirects=False)
    assert answer.status_code == 301
    assert answer.headers["Location"] == "/"


def test_health(server):
    assert http(server, "GET", "healthz", "").status_code == 200
    assert http(server, "GET", "readyz", "").status_code == 200


@pytest.mark.parametrize("path", ["clerk1/calendar/", ".termin/busy", "feeds/none.ics"])
def test_while_the_database_is_away_everything_says_try_again(server, path):
    def status():
        return http(server, "GET", path, "site").status_code

    def rename(change):
        with closing(server.database()) as database, database.write() as connection:
            for table in ("accounts", "feeds"):
                connection.exec_driver_sql(change.format(table))

    before = status()
    rename("ALTER TABLE {0} RENAME TO {0}_away")
    assert status() == 503
    rename("ALTER TABLE {0}_away RENAME TO {0}")
    assert status() == before


def test_the_site_cannot_list_appointments(server):
    server.client().book(appointment(), now=NOW)
    query = (
        '<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-data/></D:prop>'
        '<C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>'
    )
    for method, body in (("PROPFIND", None), ("REPORT", SYNC_ALL), ("REPORT", query), ("GET", None)):
        answer = http(server, method, f"{OFFICE}/", "site", data=body, headers={"Depth": "1"})
        assert answer.status_code == 403, (method, answer.text)
    for path in ("clerk1/calendar/", "buergerbuero/opening/", "clerk1/", "buergerbuero/"):
        answer = http(server, "PROPFIND", path, "site", headers={"Depth": "1"})
        assert answer.status_code == 403, (path, answer.text)
    assert "a1@test" not in http(server, "PROPFIND", "", "site", headers={"Depth": "1"}).text


@pytest.mark.parametrize("path", ["clerk1/", ".termin/own/feeds"])
def test_nobody_gets_in_with_a_wrong_password_or_guesses_unseen(server, capfd, path):
    for account, password in (("clerk1", "wrong"), ("nobody", "demo"), ("clerk1", "")):
        answer = requests.request("GET", f"{server.url}/{path}", auth=(account, password), timeout=10)
        assert answer.status_code == 401
    said = capfd.readouterr().out
    assert said.count("failed login") == said.count("127.0.0.1") == 3
    assert "nobody" not in said


def test_reassignment_is_seen_as_gone_and_new(server):
    server.client().book(appointment(), now=NOW)
    clerk = holder(server)
    other = "clerk2" if clerk == "clerk1" else "clerk1"
    before = {
        name: server.calendar(name).objects_by_sync_token(load_objects=False).sync_token
        for name in (clerk, other)
    }
    answer = http(
        server,
        "MOVE",
        f"{clerk}/calendar/a1@test.ics",
        headers={"Destination": f"{server.url}/{other}/calendar/a1@test.ics"},
    )
    assert answer.status_code == 201
    left = server.calendar(clerk).objects_by_sync_token(before[clerk], load_objects=False)
    came = server.calendar(other).objects_by_sync_token(before[other], load_objects=True)
    assert names(left) == ["a1@test.ics"]
    assert [item.icalendar_component.start for item in came] == [at(7, 8)]
    assert timedelta(0) <= from_ical(only_event(server, other).data, BERLIN).end - at(7, 8)
