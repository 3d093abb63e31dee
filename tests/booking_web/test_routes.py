"""Which addresses there are, and who may call them."""

from __future__ import annotations

from booking_web.routes import SITE
from booking_web.staff.routes import STAFF

PAGES = [
    "/ GET public",
    "/termin/ GET public",
    "/termin/unterlagen GET public",
    "/termin/zeit GET public",
    "/termin/zeit POST public",
    "/termin/<token:token>/daten GET token",
    "/termin/<token:token>/daten POST token",
    "/termin/<token:token>/pruefen GET token",
    "/termin/<token:token>/zeit GET token",
    "/termin/<token:token>/anliegen GET token",
    "/termin/<token:token>/unterlagen GET token",
    "/termin/<token:token>/vergeben GET token",
    "/termin/<token:token>/buchen POST token",
    "/termin/<token:token>/buchen GET token",
    "/termin/<token:token>/fertig GET token",
    "/termin/<token:token> GET token",
    "/termin/<token:token>/termin.ics GET token",
    "/termin/<token:token>/qr.svg GET token",
    "/termin/<token:token>/annehmen POST token",
    "/termin/<token:token>/zurueckholen POST token",
    "/termin/<token:token>/bestaetigen/<code:code> GET token",
    "/termin/<token:token>/bestaetigen/<code:code> POST token",
    "/termin/<token:token>/erneut POST token",
    "/termin/<token:token>/erinnerung POST token",
    "/termin/<token:token>/verschieben GET token",
    "/termin/<token:token>/verschieben POST token",
    "/termin/<token:token>/absagen GET token",
    "/termin/<token:token>/absagen POST token",
    "/termin/<token:token>/abgesagt GET token",
    "/termin/<token:token>/warteliste GET token",
    "/termin/<token:token>/warteliste/pruefen GET token",
    "/termin/<token:token>/warteliste POST token",
    "/termin/warteliste GET public",
    "/termin/warteliste POST public",
    "/termin/warteliste/pruefen GET public",
    "/termin/warteliste/eintragen POST public",
    "/termin/warteliste/eingetragen GET public",
    "/termin/warteliste/<token:token> GET token",
    "/termin/warteliste/<token:token>/annehmen POST token",
    "/termin/warteliste/<token:token>/ablehnen POST token",
    "/termin/warteliste/<token:token>/abmelden GET token",
    "/termin/warteliste/<token:token>/abmelden POST token",
    "/embed GET public",
    "/leichte-sprache GET public",
    "/rueckmeldung GET public",
    "/rueckmeldung POST public",
    "/rueckmeldung/danke GET public",
    "/barrierefreiheit GET public",
    "/datenschutz GET public",
    "/impressum GET public",
]
MACHINES = [
    "/api/v1/openapi.json GET public",
    "/api/v1/services GET partner-or-public",
    "/api/v1/offers GET partner-or-public",
    "/api/v1/challenge GET public",
    "/api/v1/appointments POST partner-or-public",
    "/api/v1/holds POST partner-or-public",
    "/api/v1/holds/<token>/confirm POST token",
    "/api/v1/holds/<token> DELETE token",
    "/api/v1/appointments/<token> GET token",
    "/api/v1/appointments/<token> DELETE token",
    "/api/v1/appointments/<token>/members/<int(max=99):number> DELETE token",
    "/api/v1/appointments/<token>/move POST token",
    "/api/v1/appointments/<token>/accept POST token",
    "/api/v1/appointments/<token>/termin.ics GET token",
    "/api/v1/waiting POST partner-or-public",
    "/api/v1/waiting/<token> GET token",
    "/api/v1/waiting/<token> DELETE token",
    "/api/v1/waiting/<token>/accept POST token",
    "/api/v1/waiting/<token>/decline POST token",
    "/embed.js GET public",
    "/static/<version>/<path:name> GET public",
    "/favicon.ico GET public",
    "/robots.txt GET public",
    "/healthz GET public",
    "/readyz GET public",
]
STAFF_PAGES = [
    "/ GET staff",
    "/login GET public",
    "/login POST public",
    "/logout POST staff",
    "/connect GET staff",
    "/connect/feeds POST staff",
    "/connect/feeds/<int:number>/revoke POST staff",
    "/connect/passwords POST staff",
    "/connect/passwords/<int:number>/revoke POST staff",
    "/plans GET staff",
    "/plans/absence GET staff",
    "/plans/absence POST staff",
    "/plans/balance GET staff",
    "/plans/balance POST staff",
    "/load GET staff",
    "/statistics GET staff",
    "/statistics/table.csv GET staff",
    "/why GET staff",
    "/waiting GET staff",
    "/mails GET staff",
    "/mails/<int:number>/<verb> POST staff",
    "/mails/preview GET staff",
    "/mails/preview/html GET staff",
    "/plans/whatif GET staff",
    "/plans/<plan_id> GET staff",
    "/plans/<plan_id>/<verb> POST staff",
    "/static/<version>/<path:name> GET public",
    "/healthz GET public",
    "/readyz GET public",
]


def listed(routes):
    return sorted(f"{route.rule} {method} {route.access}" for route in routes for method in route.methods)


def test_the_public_sites_addresses():
    assert listed(route for route in SITE if route.localised) == sorted(PAGES)
    assert listed(route for route in SITE if not route.localised) == sorted(MACHINES)


def test_the_staff_pages_addresses():
    assert listed(STAFF) == sorted(STAFF_PAGES)


def test_no_address_without_a_rule(shared):
    rules = shared.app.extensions["access_rules"]
    assert {rule.endpoint for rule in shared.app.url_map.iter_rules()} == set(rules)


def test_every_page_is_there_in_every_language(shared):
    rules = {rule.rule for rule in shared.app.url_map.iter_rules()}
    for route in SITE:
        if route.localised:
            assert f"/<any(en,tr,uk,ar,leicht):language>{route.rule}" in rules


def test_what_needs_a_token_shows_nothing_without_one(shared):
    browser = shared.browser()
    for route in SITE:
        if route.access != "token":
            continue
        path = route.rule.replace("<token:token>", "a" * 42).replace("<token>", "a" * 42)
        for method in route.methods:
            answer = browser.open(path, method=method, json={} if "api" in path else None)
            assert answer.status_code in {303, 404, 422}, path
            assert answer.status_code != 303 or browser.get(answer.location).status_code == 404
