from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from booking_web.settings import Activation, Protection
from booking_web.town import NeededBy, ReleaseRules, in_language
from calendar_server.limits import Limits as PublicLimits
from config import compose
from optimizer.release import Release

if TYPE_CHECKING:
    from tests.config.conftest import Folder

BERLIN = ZoneInfo("Europe/Berlin")


def test_the_demo_town_is_what_the_contracts_say(folder: Folder) -> None:
    office = compose.directory(folder.load()).offices[0]
    assert office.id == "buergerbuero"
    assert [(rule.period.weekday, rule.period.start, rule.period.end) for rule in office.initial_windows] == [
        (0, time(8), time(16)),
        (2, time(8), time(12)),
    ]
    assert [clerk.id for clerk in office.clerks] == ["clerk1", "clerk2", "clerk3", "clerk4"]
    assert office.services == {
        "personalausweis",
        "reisepass",
        "anmeldung",
        "abmeldung",
        "beglaubigung",
        "meldebescheinigung",
        "fuehrungszeugnis",
        "fundbuero",
    }
    assert all("meldebescheinigung" in clerk.services for clerk in office.clerks)
    assert sum("reisepass" in clerk.services for clerk in office.clerks) in {2, 3}
    assert office.holiday_region == "DE-NW"


def test_at_any_time_of_a_window_somebody_can_do_each_service(folder: Folder) -> None:
    office = compose.directory(folder.load()).offices[0]
    for rule in office.initial_windows:
        day, period = rule.period.weekday, rule.period
        minutes = range(
            period.start.hour * 60 + period.start.minute, period.end.hour * 60 + period.end.minute, 5
        )
        for service in office.services:
            for minute in minutes:
                moment = time(minute // 60, minute % 60)
                assert any(
                    work.weekday == day and work.start <= moment < work.end
                    for clerk in office.clerks
                    if service in clerk.services
                    for work in clerk.working_times
                ), f"nobody for {service} on day {day} at {moment}"


def test_part_time_shares_are_the_hours_worked(folder: Folder) -> None:
    for clerk in compose.directory(folder.load()).offices[0].clerks:
        hours = sum(
            (work.end.hour - work.start.hour) + (work.end.minute - work.start.minute) / 60
            for work in clerk.working_times
        )
        assert hours == pytest.approx(39 * clerk.share, abs=0.5)


def test_the_town_carries_documents_with_their_conditions(folder: Folder) -> None:
    passport = compose.town(folder.load()).service("reisepass")
    assert passport is not None
    by_id = {document.id: document for document in passport.documents}
    assert by_id["zustimmung-eltern"].needed_by is NeededBy.CHILD
    assert in_language(by_id["zustimmung-eltern"].when, "en") == "for children under 18"
    assert in_language(by_id["alter-ausweis"].name, "fr") == "Ihr bisheriger Ausweis oder Pass"
    assert [fee.cents for fee in passport.fees if not fee.additional] == [7000, 3750, 2600]


def test_the_privacy_notice_names_the_retention_that_is_practised(folder: Folder) -> None:
    folder.write("server.toml", "[retention]\nappointment_days = 14\n")
    assert compose.town(folder.load()).data_protection.retention_days == 14


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("", "http://127.0.0.1:8000"),
        ('host = "0.0.0.0"', "http://127.0.0.1:8000"),
        ('host = "::1"\nsite_port = 80', "http://[::1]:80"),
        ('site_url = "https://termin.example/"', "https://termin.example"),
    ],
)
def test_the_address_of_the_site(folder: Folder, server: str, url: str) -> None:
    folder.write("server.toml", f"[server]\n{server}\n")
    assert compose.town(folder.load()).base_url == url


def test_all_means_all_services_of_the_office(folder: Folder) -> None:
    office = compose.directory(folder.load()).offices[0]
    assert office.clerks[0].services == office.services


def test_the_bookable_period_ends_with_the_last_day_even_over_a_change_of_clock() -> None:
    rules = Release(horizon_days=7, minimum_notice_minutes=90)
    earliest, end = rules.period(frozenset(), datetime(2026, 3, 25, 12, tzinfo=UTC), BERLIN)
    assert earliest == datetime(2026, 3, 25, 13, 30, tzinfo=UTC)
    assert end == datetime(2026, 4, 2, tzinfo=BERLIN)


def test_changing_ends_as_long_before_as_the_rules_say() -> None:
    rules = ReleaseRules(change_until_minutes=60)
    start = datetime(2026, 12, 7, 8, tzinfo=BERLIN)
    assert rules.may_change(start, datetime(2026, 12, 7, 6, 59, 59, tzinfo=BERLIN))
    assert not rules.may_change(start, datetime(2026, 12, 7, 7, tzinfo=BERLIN))


def test_the_waiting_list_is_open_where_the_town_says_so(folder: Folder) -> None:
    assert compose.directory(folder.load()).offices[0].waiting.enabled
    assert compose.town(folder.load()).offices[0].waiting
    folder.replace(
        "offices.toml", "[offices.waiting]\nenabled = true", "[offices.waiting]\noffer_minutes = 60"
    )
    (closed,) = compose.directory(folder.load()).offices
    assert (closed.waiting.enabled, closed.waiting.offer_minutes) == (False, 60)
    assert not compose.town(folder.load()).offices[0].waiting


def test_a_town_is_protected_and_the_demo_is_not(folder: Folder) -> None:
    settings = folder.load()
    assert compose.limits(settings, demo=True) == PublicLimits()
    assert compose.protection(settings, demo=True) == Protection()
    limits, protection = compose.limits(settings, demo=False), compose.protection(settings, demo=False)
    assert (limits.per_address, limits.per_network_hour) == (3, 60)
    assert (limits.network_percent, limits.unconfirmed_percent, limits.resends_per_hour) == (20, 50, 3)
    assert protection == Protection(
        proof_of_work=True, activation=Activation.WITHOUT_PROOF, activation_minutes=60
    )
