"""What the views of one application share, and the values that templates are rendered with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from babel import dates, lists, numbers
from flask import current_app, g, request, url_for
from markupsafe import Markup, escape

from booking_web.booking.tokens import read_token
from booking_web.language import (
    NATIVE_NAMES,
    current_language,
    gettext,
    local,
    marked,
    ngettext,
)
from booking_web.looks import emblem_name
from booking_web.messages import message_of
from booking_web.town import RIGHT_TO_LEFT, language_tag, locale_of
from optimizer.group import Arrangement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask

    from booking_web.api.kept import KeptOffers
    from booking_web.assets import Assets
    from booking_web.booking.appointments import Appointments
    from booking_web.booking.availability import Follower, OfficeFeed
    from booking_web.booking.choice import Choice
    from booking_web.booking.proof import Proofs
    from booking_web.booking.waiting import WaitingList
    from booking_web.settings import SiteSettings
    from booking_web.town import OfficeInfo, Service
    from calendar_server.client import CalendarClient

_KEY = "termin-site"


@dataclass(frozen=True, slots=True)
class Site:
    """One public site: its settings and the use cases that its views call."""

    settings: SiteSettings
    client: CalendarClient
    follower: Follower
    appointments: Appointments
    waiting: WaitingList
    assets: Assets
    proofs: Proofs
    kept: KeptOffers

    def feed(self, office: OfficeInfo) -> OfficeFeed:
        """Return the office's busy feed, brought up to date. Raises UnavailableError."""
        self.follower.start()
        feed = self.follower.feeds[office.id]
        feed.fresh(self.settings.max_age_seconds)
        return feed

    def now(self) -> datetime:
        """Return the time, aware."""
        return self.settings.clock()


def attach(app: Flask, site: Site) -> None:
    """Give the application its site."""
    app.extensions[_KEY] = site


def site_of(app: Flask) -> Site:
    """Return the site of an application."""
    return cast("Site", app.extensions[_KEY])


def current_site() -> Site:
    """Return the site of the application that serves this request."""
    return site_of(current_app)


def locale_name() -> str:
    """Return the name of the request's locale for Babel."""
    return locale_of(current_language())


def long_date(day: date) -> str:
    """Such as "Montag, 7. Dezember 2026"."""
    return dates.format_date(day, "full", locale=locale_name())


def day_and_month(day: date) -> str:
    """Such as "Montag, 7. Dezember": the long date without its year."""
    return _day_and_month(day, locale_name())


# A page names every free day of two months, and all pages name the same days.
@lru_cache(maxsize=2_000)
def _day_and_month(day: date, locale: str) -> str:
    pattern = dates.get_date_format("full", locale=locale).pattern
    return dates.format_date(day, re.sub(r",?\s*y+(\s*'[^']*'\.?)?", "", pattern).strip(), locale=locale)


def month_name(day: date) -> str:
    """Such as "Dezember 2026"."""
    return str(
        dates.format_skeleton("yMMMM", datetime(day.year, day.month, 1, tzinfo=UTC), locale=locale_name())
    )


def weekday_names() -> list[tuple[str, str]]:
    """Return (short, long) names of the weekdays, Monday first."""
    short = dates.get_day_names("short", context="stand-alone", locale=locale_name())
    wide = dates.get_day_names("wide", context="stand-alone", locale=locale_name())
    return [(short[day].rstrip("."), wide[day]) for day in range(7)]


def clock_time(moment: datetime) -> str:
    """Such as "8:00 Uhr", by the clock of the moment's own zone."""
    return gettext("%(time)s Uhr", time=f"{moment.hour}:{moment.minute:02}")


def moment(start: datetime) -> str:
    """Such as "Montag, 7. Dezember 2026, 8:00 Uhr", by the clock of its own zone."""
    return gettext("%(day)s, %(time)s", day=long_date(start.date()), time=clock_time(start))


def short_moment(start: datetime) -> str:
    """Such as "Montag, 7. Dezember, 8:00 Uhr"."""
    return gettext("%(day)s, %(time)s", day=day_and_month(start.date()), time=clock_time(start))


def span(start: datetime, end: datetime) -> str:
    """Such as "8:00 Uhr bis etwa 8:20 Uhr"."""
    return gettext("%(start)s bis etwa %(end)s", start=clock_time(start), end=clock_time(end))


def listed(texts: Iterable[str]) -> Markup:
    """Such as "Montag, Mittwoch und Freitag"; what is marked up stays so."""
    escaped = [str(escape(text)) for text in texts]
    return Markup(lists.format_list(escaped, locale=locale_name()))  # noqa: S704 (escaped above)


def money(cents: int) -> str:
    """Such as "46,00 €"; nothing is "kostenlos"."""
    if cents == 0:
        return gettext("kostenlos")
    return str(numbers.format_currency(cents / 100, "EUR", locale=locale_name()))


def service_text(service: Service, persons: int) -> str:
    """Such as "Reisepass (2 Personen)", for a page."""
    name = marked(service.name)
    if persons == 1:
        return name
    label = marked(service.persons_label)
    if label:
        return Markup("{} ({} {})").format(name, persons, label)
    return Markup("{} ({})").format(name, ngettext("%(num)s Person", "%(num)s Personen", persons))


def page_url(endpoint: str, **values: Any) -> str:
    """Return the address of a page in the request's language; other values become the path or the query."""
    return url_for(endpoint, **{"language": current_language(), **values})


def extended(address: str, **values: Any) -> str:
    """Return an address of `page_url` with more of a query. Where many differ in little only the first one has to be built."""
    return f"{address}{'&' if '?' in address else '?'}{urlencode(values)}"


def choice_values(choice: Choice) -> dict[str, Any]:
    """Return the choice as values for `page_url`."""
    values: dict[str, Any] = dict(choice.query)
    values["service"] = [value for name, value in choice.query if name == "service"]
    return values


def arrangement_text(arrangement: Arrangement) -> str:
    """Such as "Alle gleichzeitig"."""
    return {
        Arrangement.SOONEST: gettext("So früh wie möglich fertig"),
        Arrangement.TOGETHER: gettext("Alle gleichzeitig"),
        Arrangement.IN_TURN: gettext("Nacheinander"),
    }[arrangement]


def nearby_office() -> OfficeInfo:
    """Return the office that this request is about, without asking the calendar: by the token in its path or the choice in its address.

    The first one if it's about none.
    """
    settings = current_site().settings
    offices = {office.id: office for office in settings.town.offices}
    named = request.args.get("office", "")
    token = (request.view_args or {}).get("token")
    if token:
        found = read_token(settings.signing_secret, settings.town.host, offices, token)
        named = found[0] if found else named
    return offices.get(named, settings.town.offices[0])


def _other_languages(languages: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Return (language tag, its own name, this page in it); nothing where a page belongs to one form being filled in."""
    if request.method != "GET" or request.endpoint is None or not g.get("localised", False):
        return []
    arguments: dict[str, Any] = {**request.args.to_dict(flat=False), **(request.view_args or {})}
    return [
        (
            language_tag(language),
            NATIVE_NAMES.get(language, language),
            url_for(request.endpoint, **{**arguments, "language": language}),
        )
        for language in languages
        if language != current_language()
    ]


def install_template_values(app: Flask, site: Site) -> None:
    """Give every template the town, the language, the formats and the addresses."""
    town = site.settings.town

    def static_url(name: str) -> str:
        if name not in site.assets:
            raise LookupError(f"no static file {name!r}")
        return url_for("static", version=site.assets.version, name=name)

    @app.context_processor
    def values() -> dict[str, Any]:
        language = current_language()
        return {
            "town": town,
            "demo": site.settings.demo,
            "emblem": emblem_name(town.looks),
            "language": language_tag(language),
            "direction": "rtl" if language in RIGHT_TO_LEFT else "ltr",
            "other_languages": _other_languages(town.languages),
            "nearby": nearby_office(),
            "embedded": g.get("embeddable", False),
            # A token stays where it is.
            "this_page": None if "token" in (request.view_args or {}) else request.path,
        }

    app.jinja_env.globals.update(
        local=marked,
        plain=local,
        url=page_url,
        extended=extended,
        static_url=static_url,
        service_text=service_text,
        choice_values=choice_values,
        arrangement_text=arrangement_text,
        message_of=message_of,
        span=span,
        listed=listed,
    )
    app.jinja_env.filters.update(
        long_date=long_date,
        day_and_month=day_and_month,
        month_name=month_name,
        clock=clock_time,
        moment=moment,
        short_moment=short_moment,
        local=marked,
        money=money,
    )
