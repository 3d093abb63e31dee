"""Plans on the staff pages, on the real calendar server: see, decide, undo."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from booking_web.settings import StaffSettings
from booking_web.staff import create_app
from tests.booking_web.conftest import SECRET
from tests.booking_web.test_api import book, booking, post
from tests.booking_web.test_offices import two_offices  # noqa: F401 - a fixture
from tests.booking_web.test_proposals import plan
from tests.booking_web.test_staff import log_in, staff, token  # noqa: F401 - a fixture
from tests.support.town import BERLIN, at

FORM = {"clerk": "clerk1", "first": "2026-12-07", "last": "2026-12-07", "since": "", "until": ""}


def send(browser, path: str, page: str = "/plans/absence", **form: str):
    return browser.post(path, data={**form, "csrf_token": token(browser.get(page))})


def holders(citizens, uid: str) -> list[str]:
    found = []
    for clerk in citizens.calendar.directory.offices[0].clerks:
        events = citizens.calendar.calendar(clerk.id).events()
        found += [clerk.id for event in events if event.icalendar_component["UID"] == uid]
    return found


@pytest.fixture
def lead(staff):  # noqa: F811 - the fixture that was imported
    return log_in(staff, "lead")[0]


def test_an_absence_is_planned_seen_applied_and_undone(citizens, lead):
    made = book(citizens)
    (ill,) = holders(citizens, made["uid"])
    planned = send(lead, "/plans/absence", **{**FORM, "clerk": ill})
    assert planned.status_code == 303
    page = lead.get(planned.location).text
    assert "Erika Mustermann" in page
    assert "wartet auf Sie" in page
    assert holders(citizens, made["uid"]) == [ill]
    where = planned.location.split("?")[0]
    assert send(lead, f"{where}/apply").status_code == 303
    assert holders(citizens, made["uid"]) != [ill]
    assert "angewendet" in lead.get(where).text
    absences = [event for event in citizens.calendar.calendar(ill).events() if "abwesend" in event.data]
    assert len(absences) == 1
    assert absences[0].icalendar_component["DTSTART"].dt.isoformat() == "2026-12-07"
    assert send(lead, f"{where}/undo").status_code == 303
    assert holders(citizens, made["uid"]) == [ill]
    assert not [event for event in citizens.calendar.calendar(ill).events() if "abwesend" in event.data]
    assert "zurückgenommen" in lead.get("/plans").text


def test_a_plan_that_no_longer_fits_is_made_anew_and_changes_nothing(citizens, lead):
    made = book(citizens)
    (ill,) = holders(citizens, made["uid"])
    where = send(lead, "/plans/absence", **{**FORM, "clerk": ill}).location.split("?")[0]
    (event,) = citizens.calendar.calendar(ill).events()
    with event.edit_icalendar_component() as component:
        component["SUMMARY"] = "anders"
    event.save()
    answer = send(lead, f"{where}/apply")
    assert answer.status_code == 303
    page = lead.get(answer.location).text
    assert "Das ist ein neuer Plan" in page
    assert "wartet auf Sie" in page
    assert holders(citizens, made["uid"]) == [ill]
    assert "verworfen" in lead.get(where).text
    again = answer.location.split("?")[0]
    assert send(lead, f"{again}/apply").status_code == 303
    assert holders(citizens, made["uid"]) != [ill]


def test_no_plan_moves_an_appointment_to_a_start_that_is_too_soon(citizens, staff):  # noqa: F811
    citizens.clock.advance(days=5, hours=18)
    lead, _ = log_in(staff, "lead")
    uids = []
    while (
        answer := post(citizens, "appointments", booking(services=[{"id": "reisepass"}]))
    ).status_code == 201:
        uids.append(answer.json["uid"])
    ill = holders(citizens, uids[0])[0]
    where = send(lead, "/plans/absence", **{**FORM, "clerk": ill}).location
    (moved,) = citizens.calendar.client("lead").plan(where.split("?")[0].split("/")[-1])["moved"]
    assert moved["to"] >= "2026-12-08T05:00"


def test_an_absence_without_appointments_can_be_taken_back_too(citizens, lead):
    where = send(lead, "/plans/absence", **FORM).location.split("?")[0]
    send(lead, f"{where}/apply")
    assert len(citizens.calendar.calendar("clerk1").events()) == 1
    assert "Zurücknehmen" in lead.get(where).text
    send(lead, f"{where}/undo")
    assert citizens.calendar.calendar("clerk1").events() == []


def test_a_day_that_nothing_was_found_for_is_told(citizens, lead, tmp_path, monkeypatch):
    made = book(citizens)
    (ill,) = holders(citizens, made["uid"])
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['numpy'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    page = lead.get(send(lead, "/plans/absence", **{**FORM, "clerk": ill}).location).text
    assert "Der Plan ist nicht vollständig" in page
    assert "Für 1 Tag wurde in der Zeit kein Plan gefunden." in page
    assert "Es muss sich nichts ändern." not in page
    curve = send(lead, "/plans/balance", "/plans/balance", first="2026-12-07", last="2026-12-07").text
    assert "keine gleichere Verteilung gefunden" in curve
    assert "wie es geht" not in curve


@pytest.mark.parametrize("changes", ["", "0", "1", "-1", "٣", "9" * 5000])
def test_a_day_on_which_nothing_can_be_evened_out_makes_no_plan(citizens, lead, changes):
    form = {"first": "2026-12-08", "last": "2026-12-08", "changes": changes}
    page = send(lead, "/plans/balance", "/plans/balance", **form)
    assert page.status_code == 200
    assert "so gleich verteilt, wie es geht" in page.text
    assert citizens.calendar.client("lead").plans("buergerbuero") == []


def test_who_clicks_twice_gets_what_she_wanted(citizens, lead):
    book(citizens)
    where = send(lead, "/plans/absence", **FORM).location.split("?")[0]
    for verb, state in (("apply", "angewendet"), ("undo", "zurückgenommen")):
        assert [send(lead, f"{where}/{verb}").status_code for _ in range(2)] == [303, 303]
        assert state in lead.get(where).text
    assert lead.get("/plans").text.count("Montag, 7. Dezember") == 1
    assert send(lead, f"{where}/apply").status_code == 409


def test_a_balance_that_no_longer_fits_is_made_anew(citizens, lead):
    uids = [book(citizens, start=f"2026-12-07T{hour}:00:00+01:00")["uid"] for hour in ("08", "10", "14")]
    owner = holders(citizens, uids[0])[0]
    for uid in uids[1:]:
        other = holders(citizens, uid)[0]
        if other != owner:
            event = next(
                event
                for event in citizens.calendar.calendar(other).events()
                if event.icalendar_component["UID"] == uid
            )
            citizens.calendar.caldav("lead").request(
                str(event.url), "MOVE", headers={"Destination": str(event.url).replace(other, owner)}
            )
    form = {"first": "2026-12-07", "last": "2026-12-07"}
    curve = send(lead, "/plans/balance", "/plans/balance", **form).text
    number = re.findall(r'name="changes" value="(\d+)"', curve)[-1]
    where = send(lead, "/plans/balance", "/plans/balance", **form, changes=number).location.split("?")[0]
    for event in citizens.calendar.calendar(owner).events():
        with event.edit_icalendar_component() as component:
            component["SUMMARY"] = "anders"
        event.save()
    answer = send(lead, f"{where}/apply")
    assert answer.status_code == 303
    assert "Ausgleich" in lead.get(answer.location).text
    assert {tuple(holders(citizens, uid)) for uid in uids} == {(owner,)}


def test_a_balance_that_a_colleague_has_done_already_leaves_nothing_to_do(citizens, lead):
    uids = [book(citizens, start=f"2026-12-07T{hour}:00:00+01:00")["uid"] for hour in ("08", "10")]
    owner = holders(citizens, uids[0])[0]
    for uid in uids[1:]:
        other = holders(citizens, uid)[0]
        citizens.calendar.caldav("lead").request(
            f"{citizens.calendar.url}/{other}/calendar/{uid}.ics",
            "MOVE",
            headers={"Destination": f"{citizens.calendar.url}/{owner}/calendar/{uid}.ics"},
        )
    form = {"first": "2026-12-07", "last": "2026-12-07"}
    curve = send(lead, "/plans/balance", "/plans/balance", **form).text
    number = re.findall(r'name="changes" value="(\d+)"', curve)[-1]
    first, second = (
        send(lead, "/plans/balance", "/plans/balance", **form, changes=number).location.split("?")[0]
        for _ in range(2)
    )
    assert send(lead, f"{first}/apply").status_code == 303
    answer = send(lead, f"{second}/apply")
    assert answer.status_code == 409
    assert "Es ist nichts mehr zu tun" in answer.text
    assert "wartet auf Sie" not in lead.get("/plans").text


def test_an_undoing_that_no_longer_fits_changes_nothing(citizens, lead):
    made = book(citizens)
    (ill,) = holders(citizens, made["uid"])
    where = send(lead, "/plans/absence", **{**FORM, "clerk": ill}).location.split("?")[0]
    send(lead, f"{where}/apply")
    (holder,) = holders(citizens, made["uid"])
    (event,) = [event for event in citizens.calendar.calendar(holder).events() if "Mustermann" in event.data]
    with event.edit_icalendar_component() as component:
        component["SUMMARY"] = "anders"
    event.save()
    answer = send(lead, f"{where}/undo")
    assert answer.status_code == 409
    assert "lässt sich nicht ganz zurücknehmen" in answer.text
    assert "8:00 Uhr, anders: wurde inzwischen geändert" in answer.text
    assert holders(citizens, made["uid"]) == [holder]
    # The absence can go all the same.
    assert send(lead, f"{where}/undo-rest").status_code == 303
    page = lead.get(where).text
    assert "Das wurde nicht zurückgenommen" in page
    assert "Vorher" in page
    assert "Jetzt" not in page
    assert "zurückgenommen: lead, Dienstag, 1. Dezember" in page
    assert holders(citizens, made["uid"]) == [holder]
    assert not [event for event in citizens.calendar.calendar(ill).events() if "abwesend" in event.data]


def test_nothing_is_offered_where_nothing_else_can_be_taken_back(citizens, lead):
    made = book(citizens)
    plan(citizens, made["uid"], to_start=int(at(7, 10).timestamp()))
    citizens.browser().post(f"/termin/{made['token']}/annehmen")
    (where,) = re.findall(r'href="(/plans/[0-9a-f]{8})', lead.get("/plans").text)
    answer = send(lead, f"{where}/undo")
    assert answer.status_code == 409
    assert "die Person hat der neuen Zeit zugestimmt" in answer.text
    assert "Alles andere zurücknehmen" not in answer.text


def repaired(citizens, **values):
    """Propose what the repair watch would."""
    body = {"kind": "repair", "steps": [], "objective": {}, "proven_optimal": True, "seconds": 0.0, **values}
    return citizens.calendar.client("worker").propose_plan("buergerbuero", body)["id"]


def test_a_plan_that_was_replaced_meanwhile_leads_to_the_one_that_waits(citizens, lead):
    seen = repaired(citizens)
    citizens.calendar.client("worker").decide_plan(seen, "dismiss")
    answer = send(lead, f"/plans/{seen}/apply")
    assert answer.status_code == 409
    assert "Über diesen Plan ist schon entschieden" in answer.text
    assert "verworfen: vom Programm, Dienstag, 1. Dezember" in answer.text
    anew = repaired(citizens)
    answer = send(lead, f"/plans/{seen}/apply")
    assert answer.location == f"/plans/{anew}?office=buergerbuero&instead={seen}"
    assert "Das ist ein neuer Plan" in lead.get(answer.location).text


def test_a_plan_says_when_it_applies_itself(citizens, lead):
    where = f"/plans/{repaired(citizens, auto_at=int(at(1, 16).timestamp()))}"
    assert "wendet ihn das Programm selbst an: Dienstag, 1. Dezember, 16:00 Uhr" in lead.get(where).text
    send(lead, f"{where}/apply")
    assert "wendet ihn das Programm selbst an" not in lead.get(where).text


def test_a_plan_is_of_its_office_whichever_one_was_looked_at(two_offices):  # noqa: F811 - the fixture that was imported
    made = post(two_offices, "appointments", booking(office="freienohl", services=[{"id": "fundbuero"}])).json
    pages = create_app(
        StaffSettings(
            town=two_offices.town,
            calendar_url=two_offices.calendar.url,
            calendar_public_url="https://calendar.example",
            signing_secret=SECRET,
            clock=two_offices.clock,
        )
    )
    admin = log_in(pages, "admin")[0]
    where = send(admin, "/plans/absence?office=freienohl", **{**FORM, "clerk": "clerk9"}).location
    for address in (where.split("?")[0], where.replace("freienohl", "buergerbuero")):
        page = admin.get(address).text
        assert "Nebenstelle Freienohl" in page
        assert "Erika Mustermann" in page
    (event,) = two_offices.calendar.calendar("clerk9").events()
    with event.edit_icalendar_component() as component:
        component["SUMMARY"] = "anders"
    event.save()
    answer = send(admin, where.replace("?", "/apply?").replace("freienohl", "buergerbuero"))
    assert "office=freienohl&instead=" in answer.location
    assert made["office"] == "freienohl"
    # Who leads another office finds out nothing about it.
    lead = log_in(pages, "lead")[0]
    for verb in ("", "/apply", "/undo", "/undo-rest", "/dismiss"):
        address = where.split("?")[0] + verb
        answer = send(lead, address) if verb else lead.get(address)
        assert answer.status_code == 403
        assert "Mustermann" not in answer.text


def test_the_diff_says_why_and_who_is_mailed(citizens, lead):
    uids = []
    while (
        answer := post(citizens, "appointments", booking(services=[{"id": "reisepass"}]))
    ).status_code == 201:
        uids.append(answer.json["uid"])
    ill = holders(citizens, uids[0])[0]
    page = lead.get(send(lead, "/plans/absence", **{**FORM, "clerk": ill}).location).text
    assert "1 Termin bekommt eine andere Zeit." in page
    assert "hat schon einen Termin" in page
    assert "macht das nicht" in page
    assert "nicht da oder eigener Eintrag" in page
    assert page.count(">ja</td>") == 1


def test_the_diff_names_the_service_whatever_somebody_has_written_into_the_entry(citizens, lead):
    made = book(citizens, services=[{"id": "reisepass"}])
    (ill,) = holders(citizens, made["uid"])
    (event,) = citizens.calendar.calendar(ill).events()
    with event.edit_icalendar_component() as component:
        component["SUMMARY"] = "Frau M."
    event.save()
    page = lead.get(send(lead, "/plans/absence", **{**FORM, "clerk": ill}).location).text
    assert re.search(r'Frau M\.<br><span class="muted">Reisepass</span>', page)


def test_a_cancelled_appointment_says_that_no_other_day_had_room(citizens, lead):
    made = book(citizens, services=[{"id": "reisepass"}])
    (ill,) = holders(citizens, made["uid"])
    for clerk in citizens.calendar.directory.offices[0].clerks:
        citizens.calendar.calendar(clerk.id).save_event(
            dtstart=at(7, 0).date(), dtend=at(31, 0).date(), summary="krank"
        )
    page = lead.get(send(lead, "/plans/absence", **{**FORM, "clerk": ill}).location).text
    assert "fällt aus" in page
    assert "Auch an den nächsten Tagen wurde keine freie Zeit gefunden." in page


def test_the_day_says_that_plans_wait(citizens, lead, staff):  # noqa: F811 - the fixture that was imported
    assert "wartet auf Sie" not in lead.get("/").text
    where = send(lead, "/plans/absence", **FORM).location.split("?")[0]
    assert "1 Plan wartet auf Sie" in lead.get("/").text
    assert "wartet auf Sie" not in log_in(staff, "clerk1")[0].get("/").text
    send(lead, f"{where}/dismiss")
    assert "wartet auf Sie" not in lead.get("/").text


def test_a_plan_is_dismissed(citizens, lead):
    where = send(lead, "/plans/absence", **FORM).location.split("?")[0]
    assert "Es muss sich nichts ändern." in lead.get(where).text
    assert send(lead, f"{where}/dismiss").status_code == 303
    assert "verworfen" in lead.get(where).text


def test_the_work_is_evened_out_by_a_point_of_the_curve(citizens, lead):
    uids = [
        book(citizens, start=start)["uid"]
        for start in ("2026-12-07T08:00:00+01:00", "2026-12-07T10:00:00+01:00")
    ]
    (first,), (second,) = holders(citizens, uids[0]), holders(citizens, uids[1])
    if first != second:
        event = next(event for event in citizens.calendar.calendar(second).events())
        citizens.calendar.caldav("lead").request(
            str(event.url), "MOVE", headers={"Destination": str(event.url).replace(second, first)}
        )
    form = {"first": "2026-12-07", "last": "2026-12-07"}
    curve = send(lead, "/plans/balance", "/plans/balance", **form).text
    assert "Minuten" in curve
    number = re.findall(r'name="changes" value="(\d+)"', curve)[-1]
    planned = send(lead, "/plans/balance", "/plans/balance", **form, changes=number)
    where = planned.location.split("?")[0]
    assert "nein" in lead.get(where).text
    send(lead, f"{where}/apply")
    assert holders(citizens, uids[0]) != holders(citizens, uids[1])


def test_days_and_times_are_taken_as_the_page_says_them(citizens, lead):
    form = {**FORM, "first": "7.12.2026", "last": "07.12.2026", "since": "8:00", "until": "9:30"}
    where = send(lead, "/plans/absence", **form).location
    absence = citizens.calendar.client("lead").plan(where.split("?")[0].split("/")[-1])["absence"]
    times = [datetime.fromtimestamp(absence[name], UTC).isoformat() for name in ("start", "end")]
    assert times == ["2026-12-07T07:00:00+00:00", "2026-12-07T08:30:00+00:00"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clerk": ""}, "Wählen Sie, wer nicht da ist."),
        ({"clerk": "nobody"}, "Wählen Sie, wer nicht da ist."),
        ({"first": "gestern"}, "Geben Sie einen Tag an"),
        ({"last": "2026-12-01"}, "Der letzte Tag liegt nicht vor dem ersten"),
        ({"last": "9999-12-31"}, "Der letzte Tag liegt nicht vor dem ersten"),
        ({"since": "25:00"}, "Geben Sie eine Uhrzeit an"),
        ({"since": "12:00+03:00"}, "Geben Sie eine Uhrzeit an"),
        ({"since": "10:00", "until": "09:00"}, "Das Ende muss nach dem Beginn liegen."),
        (
            {"first": "2027-03-28", "last": "2027-03-28", "since": "02:30", "until": "03:00"},
            "Das Ende muss nach dem Beginn liegen.",
        ),
    ],
)
def test_what_is_wrong_is_said_at_the_field(citizens, lead, change, message):
    answer = send(lead, "/plans/absence", **{**FORM, **change})
    assert answer.status_code == 422
    assert answer.text.count(message) == 2


FIRST = "Erster Tag: Geben Sie einen Tag an, zum Beispiel 07.12.2026."
LAST = "Letzter Tag: Geben Sie einen Tag an, zum Beispiel 07.12.2026."
TOO_LONG = "Letzter Tag: Der letzte Tag liegt nicht vor dem ersten und höchstens vier Monate danach."


@pytest.mark.parametrize(
    ("form", "messages"),
    [
        ({}, [FIRST, LAST]),
        ({"last": "2026-12-07"}, [FIRST]),
        ({"first": "2026-12-07", "last": "<b>\0" + "9" * 5000}, [LAST]),
        ({"first": "2026-02-30", "last": "٢٠٢٦-١٢-٠٧"}, [FIRST, LAST]),
        ({"first": "2026-12-08", "last": "2026-12-07"}, [TOO_LONG]),
        ({"first": "2026-12-08", "last": "2099-12-07"}, [TOO_LONG]),
        ({"first": "9999-12-31", "last": "9999-12-31"}, [FIRST]),
        ({"first": ["x", "2026-12-07"], "last": "2026-12-07"}, [FIRST]),
    ],
)
def test_which_day_to_even_out_is_wrong_is_said_above_the_form(citizens, lead, form, messages):
    answer = send(lead, "/plans/balance", "/plans/balance", **form)
    assert answer.status_code == 422
    assert re.findall(r'<li><a class="kern-link" href="#[^"]*">([^<]*)</a>', answer.text) == messages


@pytest.mark.parametrize("sent", [{}, {"csrf_token": "x"}])
def test_balance_without_the_pages_token_computes_nothing(citizens, lead, sent):
    answer = lead.post("/plans/balance", data={"first": "2026-12-07", "last": "2026-12-07", **sent})
    assert (answer.status_code, "Die Seite war zu lange offen" in answer.text) == (400, True)


def test_what_the_web_server_itself_refuses_is_said_as_everything_else(citizens, lead):
    for answer, status, text in (
        (
            lead.application.test_client().post("/login", data={"user": "9" * 3_000_000}),
            413,
            "Die Anfrage ist zu groß.",
        ),
        (lead.post("/plans/balance", data={"first": "9" * 3_000_000}), 413, "Die Anfrage ist zu groß."),
        (lead.get("/plans/0123abcd/apply"), 405, "Das geht unter dieser Adresse nicht."),
        (lead.post("/plans/whatif"), 405, "Das geht unter dieser Adresse nicht."),
    ):
        assert (answer.status_code, text in answer.text) == (status, True)
        assert "Zum heutigen Tag" in answer.text
    assert lead.get("/plans/0123abcd/apply").headers["Allow"] == "OPTIONS, POST"


def test_a_clerk_is_told_that_the_lead_decides(citizens, staff):  # noqa: F811 - the fixture that was imported
    browser, _ = log_in(staff, "clerk1")
    for path in ("/plans", "/plans/absence", "/plans/0123abcd"):
        answer = browser.get(path)
        assert answer.status_code in {403, 404}, path
    assert "Leitung" in browser.get("/plans").text


@pytest.mark.parametrize("path", ["/plans/none", "/plans/..%2f", "/plans/none/apply", "/plans/none/explode"])
def test_a_plan_that_is_none_is_not_found(citizens, lead, path):
    if path.count("/") == 2:
        assert lead.get(path).status_code == 404
    else:
        assert send(lead, path).status_code == 404


@pytest.mark.parametrize("sunday", ["2027-03-28", "2027-10-31"])
def test_an_absence_over_the_night_of_a_change_of_clocks_ends_by_the_clock(citizens, lead, sunday):
    day = datetime.fromisoformat(sunday).replace(tzinfo=BERLIN)
    form = {**FORM, "first": (day - timedelta(days=1)).date().isoformat(), "last": sunday}
    for hours, start, end in (
        ({"since": "20:00", "until": "09:00"}, day - timedelta(hours=4), day.replace(hour=9)),
        ({}, (day - timedelta(days=1)).date(), (day + timedelta(days=1)).date()),
    ):
        where = send(lead, "/plans/absence", **{**form, **hours}).location.split("?")[0]
        send(lead, f"{where}/apply")
        (event,) = citizens.calendar.calendar("clerk1").events()
        entry = event.icalendar_component
        assert (entry["DTSTART"].dt, entry["DTEND"].dt) == (start, end)
        page = lead.get(where).text
        assert ("9:00" in page) == bool(hours)
        assert send(lead, f"{where}/undo").status_code == 303
