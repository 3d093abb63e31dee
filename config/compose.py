"""From settings to what the parts of the program work with: the calendar server's directory and the town as citizens see it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from booking_web import town as web
from booking_web.settings import Activation, Protection
from calendar_server.limits import Limits as PublicLimits
from calendar_server.offices import (
    DEFAULT_ABSENCE_WORDS,
    Clerk,
    Directory,
    Office,
    OpeningRule,
    WeeklyPeriod,
)
from calendar_server.wishes import WaitingRules
from config import schema
from optimizer.release import Limits, Release, Stage

if TYPE_CHECKING:
    from config.settings import Settings

DEMO_PASSWORD = "demo"  # noqa: S105  public on purpose, and only ever on loopback
DEMO_KEY = "demo"


def directory(settings: Settings) -> Directory:
    """Return the offices with their clerks, as the calendar server needs them."""
    return Directory.of(_office(office, settings) for office in settings.offices.offices)


def town(settings: Settings) -> web.Town:
    """Return the town as citizens see it."""
    file = settings.town
    documents = {document.id: document for document in settings.services.documents}
    logo = file.looks.coat_of_arms
    return web.Town(
        name=file.name,
        official_name=file.official_name.root,
        zone=ZoneInfo(file.zone),
        base_url=site_url(settings),
        host=file.host,
        mail_sender=file.mail_sender,
        legal=web.LegalEntity(
            name=file.legal.name,
            represented_by=file.legal.represented_by.root,
            address=_address(file.legal.address),
            phone=file.legal.phone,
            email=file.legal.email,
            vat_id=file.legal.vat_id,
            responsible=file.legal.responsible,
            supervision=file.legal.supervision.root,
        ),
        data_protection=_data_protection(settings),
        accessibility=_accessibility(file.accessibility),
        offices=tuple(_office_info(office, settings) for office in settings.offices.offices),
        services=tuple(_service(service, documents) for service in settings.services.services),
        groups=tuple(web.ServiceGroup(group.id, group.name.root) for group in file.groups),
        languages=file.languages,
        informal=file.address == "du",
        homepage=file.homepage or "",
        phone=file.phone,
        looks=web.Looks(
            primary=file.looks.primary,
            on_primary=file.looks.on_primary,
            accent=file.looks.accent,
            coat_of_arms=settings.directory / logo if logo else None,
            mail_emblem=settings.directory / file.looks.mail_emblem if file.looks.mail_emblem else None,
            coat_of_arms_alt=file.looks.coat_of_arms_alt.root,
        ),
        reminder=web.ReminderRule(file.reminder.days_before, file.reminder.at),
        notice=file.notice.root,
    )


def limits(settings: Settings, *, demo: bool) -> PublicLimits:
    """Return how much the public may book; the demo has no limits, since all its visitors are one machine."""
    if demo:
        return PublicLimits()
    table = settings.server.fairness
    return PublicLimits(
        per_address=table.appointments_per_address,
        per_network_hour=table.bookings_per_network,
        network_percent=table.network_share,
        unconfirmed_percent=table.unconfirmed_share,
        resends_per_hour=table.resends_per_hour,
    )


def protection(settings: Settings, *, demo: bool) -> Protection:
    """Return how the site keeps robots out; in the demo not at all."""
    if demo:
        return Protection()
    table = settings.server.fairness
    return Protection(table.proof_of_work, Activation(table.activation), table.activation_minutes)


def api_keys(settings: Settings, *, demo: bool) -> dict[str, str]:
    """Return the trusted partners' names by the SHA-256 of their API keys, in hexadecimal."""
    keys = {partner.key_sha256: partner.name for partner in settings.server.api.partners}
    return keys | ({sha256(DEMO_KEY.encode()).hexdigest(): "demo"} if demo else {})


def all_times(settings: Settings) -> frozenset[str]:
    """Return the names of the partners who may book what isn't released to the public yet."""
    return frozenset(partner.name for partner in settings.server.api.partners if partner.all_times)


def site_url(settings: Settings) -> str:
    """Return how citizens reach the site, without a trailing slash."""
    server = settings.server.server
    return server.site_url or _local_url(server.host, server.site_port)


def staff_url(settings: Settings) -> str:
    """Return how staff reach their pages, without a trailing slash."""
    server = settings.server.server
    return server.staff_url or _local_url(server.host, server.staff_port)


def dav_url(settings: Settings) -> str:
    """Return how calendar programs reach the calendar server, without a trailing slash."""
    server = settings.server.server
    return server.dav_url or _local_url(server.host, server.dav_port)


def dav_internal_url(settings: Settings) -> str:
    """Return how the site, the staff pages and the worker reach the calendar server, without a trailing slash."""
    server = settings.server.server
    return server.dav_internal_url or _local_url(server.host, server.dav_port)


def _local_url(host: str, port: int) -> str:
    # What listens on every address is reached by loopback from the same machine.
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104  it isn't bound here
    return f"http://{name}:{port}"


def _periods(periods: tuple[schema.Period, ...]) -> tuple[WeeklyPeriod, ...]:
    return tuple(_period(period) for period in periods)


def _period(period: schema.Period) -> WeeklyPeriod:
    return WeeklyPeriod(schema.WEEKDAYS.index(period.day), period.start, period.end)


def _office(office: schema.Office, settings: Settings) -> Office:
    services = frozenset(office.services)
    german = office.name.root["de"]
    words = office.absence_words
    return Office(
        id=office.id,
        name=german,
        zone=ZoneInfo(office.zone or settings.town.zone),
        clerks=tuple(_clerk(clerk, services) for clerk in office.clerks),
        services=services,
        service_names={service.id: service.name.root["de"] for service in settings.services.services},
        initial_windows=tuple(
            OpeningRule(_period(window), frozenset(window.services)) for window in office.windows
        ),
        holiday_region=office.holiday_region,
        absence_words=DEFAULT_ABSENCE_WORDS
        if words is None
        else frozenset(word.casefold() for word in words),
        location=f"{german}, {_address(office.address).one_line()}",
        horizon_days=office.release.horizon_days,
        release=_release(office, settings),
        step_minutes=office.release.step_minutes,
        waiting=WaitingRules(
            enabled=office.waiting.enabled,
            offer_minutes=office.waiting.offer_minutes,
            shortest_minutes=office.waiting.shortest_minutes,
            day_from=office.waiting.day_from,
            day_until=office.waiting.day_until,
            per_address=office.waiting.per_address,
            unanswered=office.waiting.unanswered,
        ),
    )


def _release(office: schema.Office, settings: Settings) -> Release:
    rules = office.release
    limits = {
        service.id: Limits(service.release.horizon_days, service.release.minimum_notice_minutes)
        for service in settings.services.services
        if service.id in office.services and service.release != schema.ServiceRelease()
    }
    return Release(
        horizon_days=rules.horizon_days,
        minimum_notice_minutes=rules.minimum_notice_minutes,
        at=rules.at,
        stages=tuple(Stage(share.days_before, share.percent) for share in rules.shares),
        services=limits,
        return_after=rules.returned.after_minutes,
        return_until=rules.returned.until_minutes,
    )


def _clerk(clerk: schema.Clerk, offered: frozenset[str]) -> Clerk:
    return Clerk(
        id=clerk.id,
        name=clerk.name,
        services=offered if clerk.services == (schema.ALL_SERVICES,) else frozenset(clerk.services),
        working_times=_periods(clerk.working_times),
        share=float(clerk.share),
        counter=clerk.counter,
    )


def _address(address: schema.Address) -> web.Address:
    return web.Address(address.street, address.postal_code, address.city, address.building.root)


def _link(link: schema.Link) -> web.Link:
    return web.Link(link.url, link.label.root, link.kind, link.hint.root)


def _data_protection(settings: Settings) -> web.DataProtection:
    table, retention = settings.town.data_protection, settings.server.retention
    return web.DataProtection(
        officer=table.officer.root,
        email=table.email,
        phone=table.phone or "",
        address=_address(table.address) if table.address else None,
        authority=table.authority.root,
        authority_url=table.authority_url,
        legal_basis=table.legal_basis.root,
        retention_days=retention.appointment_days,
        log_days=retention.log_days,
        recipients=table.recipients.root,
    )


def _accessibility(table: schema.Accessibility) -> web.AccessibilityContact:
    return web.AccessibilityContact(
        email=table.email,
        phone=table.phone or "",
        status=table.status,
        assessed=table.assessed,
        law=table.law.root,
        known_gaps=tuple(gap.root for gap in table.known_gaps),
        enforcement=table.enforcement.root,
        enforcement_url=table.enforcement_url or "",
        enforcement_email=table.enforcement_email or "",
    )


def _office_info(office: schema.Office, settings: Settings) -> web.OfficeInfo:
    release = office.release
    return web.OfficeInfo(
        id=office.id,
        name=office.name.root,
        zone=ZoneInfo(office.zone or settings.town.zone),
        address=_address(office.address),
        email=office.email,
        phone=office.phone,
        services=office.services,
        release=web.ReleaseRules(
            public=_release(office, settings),
            step_minutes=release.step_minutes,
            change_until_minutes=release.change_until_minutes,
            hold_minutes=release.hold_minutes,
            max_services=release.max_services,
            max_minutes=release.max_minutes,
            max_group=release.max_group,
        ),
        waiting=office.waiting.enabled,
        map_url=office.map_url or "",
        by_appointment=office.by_appointment.root,
        walk_in=office.walk_in.root,
        directions=office.directions.root,
        accessibility=office.accessibility.root,
        notice=office.notice.root,
    )


def _service(service: schema.Service, documents: dict[str, schema.Document]) -> web.Service:
    return web.Service(
        id=service.id,
        name=service.name.root,
        minutes=service.minutes,
        summary=service.summary.root,
        extra_minutes=service.extra_minutes,
        setup_minutes=service.setup_minutes,
        max_persons=service.max_persons,
        persons_label=service.persons_label.root,
        documents=tuple(_document(use, documents[use.id]) for use in service.documents),
        fees=tuple(web.Fee(fee.cents, fee.label.root, fee.additional) for fee in service.fees),
        fee_note=service.fee_note.root,
        notes=tuple(note.root for note in service.notes),
        links=tuple(_link(link) for link in service.links),
        search_words=service.search_words,
        group=service.group or "",
        asks_remarks=service.asks_remarks,
        remarks_label=service.remarks_label.root,
        needs_phone=service.needs_phone,
    )


def _document(use: schema.DocumentUse, document: schema.Document) -> web.Document:
    return web.Document(
        id=document.id,
        name=document.name.root,
        hint=document.hint.root,
        needed_by=use.needed_by,
        when=use.when.root,
        per_person=use.per_person,
        link=_link(document.link) if document.link else None,
    )
