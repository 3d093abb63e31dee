"""Where clients look for calendars (RFC 4791 section 6.2.1): who leads an office finds the office's too."""

from __future__ import annotations

from tests.calendar_server.test_scheduling import propfind
from tests.clients.dav import C, D, Dav

OFFICE = {"/buergerbuero/appointments/", "/buergerbuero/opening/", "/buergerbuero/busy/"}


def homes(client: Dav, name: str) -> list[str]:
    found = client.find(f"/{name}/", propfind("<C:calendar-home-set/>"))[f"/{name}/"]
    return found.hrefs(f"{C}calendar-home-set")


def discovered(client: Dav) -> list[str]:
    """The calendars that a client finds from the address of the server, as Thunderbird and DAVx5 do: in all homes."""
    (principal,) = client.find("/", propfind("<current-user-principal/>"))["/"].hrefs(
        f"{D}current-user-principal"
    )
    return [
        href
        for home in homes(client, principal.strip("/"))
        for href, found in client.find(home, propfind("<resourcetype/>"), 1).items()
        if f"{C}calendar" in found.names(f"{D}resourcetype")
    ]


def test_a_clerk_finds_her_own_calendars_and_no_appointment_twice(server):
    assert discovered(Dav(server, "clerk1", "test")) == ["/clerk1/calendar/"]


def test_a_lead_finds_the_offices_calendars(server):
    lead = Dav(server, "lead", "test")
    assert homes(lead, "lead") == ["/buergerbuero/"]
    assert set(discovered(lead)) == OFFICE
    assert {str(one.url.path) for one in server.caldav("lead").principal().calendars()} == OFFICE
    assert homes(lead, "buergerbuero") == ["/buergerbuero/"]


def test_her_own_calendars_come_first(server):
    lead = Dav(server, "lead", "test")
    assert lead.send("MKCALENDAR", "/lead/own/").status_code == 201
    assert homes(lead, "lead") == ["/lead/", "/buergerbuero/"]
    assert discovered(lead)[0] == "/lead/own/"


def test_nobody_else_is_led_there(server):
    assert homes(Dav(server, "admin", "test"), "admin") == ["/buergerbuero/"]
    assert homes(Dav(server, "site", "test"), "site") == ["/site/"]
    assert homes(Dav(server, "worker", "test"), "worker") == ["/worker/"]
    assert homes(Dav(server, "lead", "test"), "clerk1") == ["/clerk1/"]
