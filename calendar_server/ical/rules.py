"""Recurrence rules (RFC 5545 section 3.3.10): read, vetted before storing, and expanded within a work limit.

A rule runs on the wall clock of DTSTART's zone, in local seconds (see `calendar_server.ical.values`). The expansion is our own
because general ones can't be bounded: they search a rule without instances to the year 9999, and
they start at DTSTART for every window. Here a window costs what it contains, unless COUNT makes it count.

Where the RFC leaves it open: DTSTART is the first instance even if the rule doesn't produce it, and COUNT then counts the rule's own
instances, as clients do that show them (section 3.8.5.3 calls such a set undefined); BYWEEKNO without BYDAY means
DTSTART's weekday.
"""

from __future__ import annotations

import calendar
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date
from itertools import islice, product
from typing import TYPE_CHECKING

from calendar_server.ical.values import DAY, InvalidValueError, Moment, moment, to_epoch, to_local

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo

MAX_PER_YEAR = 2_000
"""Instances that a rule may have within 366 days: five a day are 1,830."""
MAX_TIMES_A_DAY = 288
"""Combinations of BYHOUR, BYMINUTE and BYSECOND: one for each five minutes."""
MAX_COUNT = 20_000
"""From here on COUNT isn't counted: daily, these are 54 years."""
WORK = 50_000
"""Candidates that one expansion may look at."""
_VET_WORK = 20_000
_VET_YEARS = 100
_LAST_DAY = date.max.toordinal()
_WEEKDAYS = {"MO": 0, "TU": 1, "WE": 2, "TH": 3, "FR": 4, "SA": 5, "SU": 6}
_FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
_SECONDS = {"HOURLY": 3600, "MINUTELY": 60, "SECONDLY": 1}


class RuleError(ValueError):
    """A rule that is refused; `precondition` is CALDAV's name for why, the message names the rule part."""

    def __init__(self, message: str, precondition: str = "valid-calendar-data") -> None:
        super().__init__(message)
        self.precondition = precondition


class Work:
    """What an expansion may still do; it ends quietly when nothing is left."""

    __slots__ = ("left",)

    def __init__(self, left: int = WORK) -> None:
        self.left = left

    def spend(self, candidates: int) -> bool:
        """Count candidates; False once the limit is passed."""
        self.left -= candidates
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One RRULE. `until` is the last epoch second at which an instance may start; weekdays count from Monday, 0."""

    freq: str
    interval: int = 1
    count: int | None = None
    until: int | None = None
    seconds: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    weekdays: frozenset[int] = frozenset()
    nth_weekdays: tuple[tuple[int, int], ...] = ()
    """(n, weekday) of BYDAY=2MO and the like, only where the frequency gives them a meaning."""
    month_days: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    weeks: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    week_start: int = 0


def _numbers(part: str, text: str, low: int, high: int, *, signed: bool = False) -> tuple[int, ...]:
    found = set()
    items = text.split(",")
    if len(items) > 800:
        raise RuleError(f"RRULE: {part} has too many values")
    for item in items:
        digits = item.lstrip("+-") if signed else item
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > 4 or len(item) - len(digits) > 1:
            raise RuleError(f"RRULE: {part} is not a list of numbers")
        number = -int(digits) if item.startswith("-") else int(digits)
        if not low <= abs(number) <= high:
            raise RuleError(f"RRULE: {part} is out of its range")
        found.add(number)
    return tuple(sorted(found))


def _positive(part: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) == 0:
        raise RuleError(f"RRULE: {part} is not a positive number")
    return int(text)


def _by_day(text: str) -> list[tuple[int, int]]:
    found = set()
    for item in text.split(","):
        weekday = _WEEKDAYS.get(item[-2:])
        number = item[:-2]
        digits = number.lstrip("+-")
        if weekday is None or len(number) - len(digits) > 1 or (number and not digits):
            raise RuleError("RRULE: BYDAY names no weekday")
        if digits and (not (digits.isascii() and digits.isdecimal()) or not 1 <= int(digits[:3]) <= 53):
            raise RuleError("RRULE: BYDAY is out of its range")
        found.add((-int(digits) if number.startswith("-") else int(digits or 0), weekday))
    return sorted(found)


def _until(text: str, first: Moment, office: tzinfo) -> int:
    """The last second that UNTIL allows: of a DATE beside a DTSTART with a time, all of that day (as RFC 2445 clients mean it)."""
    try:
        last = moment(text, None if first.floating else first.zone, office)
    except InvalidValueError as error:
        raise RuleError(f"RRULE: UNTIL is {error}") from error
    if first.is_date and last.zone is UTC and last.local % DAY == 0:
        # Midnight in UTC stands for the day itself where DTSTART is a day.
        return to_epoch(office, last.local)
    if last.is_date and not first.is_date:
        return to_epoch(first.zone, last.local + DAY) - 1
    return last.epoch


def _parts(value: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    if len(value) > 8_000:
        raise RuleError("RRULE is longer than 8000 characters")
    for part in value.strip().upper().split(";"):
        if not part:
            continue
        name, equals, text = part.partition("=")
        if not equals or not text:
            raise RuleError("RRULE is not a list of NAME=value")
        if name in parts:
            raise RuleError("RRULE names a part twice")
        parts[name] = text
    return parts


_BY = ("SECOND", "MINUTE", "HOUR", "DAY", "MONTHDAY", "YEARDAY", "WEEKNO", "MONTH", "SETPOS")
_KNOWN = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", *(f"BY{part}" for part in _BY)})


def parse_rule(value: str, first: Moment, office: tzinfo) -> Rule:
    """Read an RRULE of a component that starts at `first`; RuleError names the part that is wrong."""
    parts = _parts(value)
    # RFC 7529: with the Gregorian scale and SKIP=OMIT the rule means what it means without.
    if parts.pop("RSCALE", "GREGORIAN") != "GREGORIAN" or parts.pop("SKIP", "OMIT") != "OMIT":
        raise RuleError("RRULE: only RSCALE=GREGORIAN with SKIP=OMIT is supported")
    for name in parts:
        if name not in _KNOWN and not name.startswith("X-"):
            raise RuleError("RRULE has an unknown part")
    freq = parts.get("FREQ", "")
    if freq not in _FREQUENCIES:
        raise RuleError("RRULE: FREQ is missing or unknown")
    by_day = _by_day(parts["BYDAY"]) if "BYDAY" in parts else []
    # Clients write BYDAY=1MO for weekly rules too, where the number means nothing.
    numbered = freq in {"YEARLY", "MONTHLY"} and "BYWEEKNO" not in parts
    week_start = parts.get("WKST", "MO")
    if week_start not in _WEEKDAYS:
        raise RuleError("RRULE: WKST names no weekday")
    count = _positive("COUNT", parts["COUNT"]) if "COUNT" in parts else None
    timed = not first.is_date

    def numbers(name: str, low: int, high: int, *, signed: bool = False) -> tuple[int, ...]:
        return _numbers(name, parts[name], low, high, signed=signed) if name in parts else ()

    rule = Rule(
        freq=freq,
        interval=_positive("INTERVAL", parts.get("INTERVAL", "1")),
        count=count if count is None or count <= MAX_COUNT else None,
        until=_until(parts["UNTIL"], first, office) if "UNTIL" in parts else None,
        # RFC 5545 section 3.3.10: parts finer than a day are ignored beside a DATE.
        seconds=tuple(sorted({min(one, 59) for one in numbers("BYSECOND", 0, 60)})) if timed else (),
        minutes=numbers("BYMINUTE", 0, 59) if timed else (),
        hours=numbers("BYHOUR", 0, 23) if timed else (),
        weekdays=frozenset(day for n, day in by_day if not n or not numbered),
        nth_weekdays=tuple((n, day) for n, day in by_day if n and numbered),
        month_days=numbers("BYMONTHDAY", 1, 31, signed=True),
        year_days=numbers("BYYEARDAY", 1, 366, signed=True),
        weeks=numbers("BYWEEKNO", 1, 53, signed=True) if freq == "YEARLY" else (),
        months=numbers("BYMONTH", 1, 12),
        positions=numbers("BYSETPOS", 1, 366, signed=True),
        week_start=_WEEKDAYS[week_start],
    )
    if first.is_date and freq in _SECONDS:
        raise RuleError("RRULE: FREQ is finer than a day, but DTSTART is a day")
    return rule


def _first_week(year: int, week_start: int) -> int:
    """The ordinal on which week 1 starts: the first week with at least four days in the year."""
    fourth = date(year, 1, 4).toordinal()
    return fourth - (fourth - 1 - week_start) % 7


def _in_weeks(rule: Rule, year: int) -> set[int]:
    """All days of the calendar year that lie in the rule's weeks, of whatever year's numbering."""
    first, last = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
    found: set[int] = set()
    for numbered in range(max(year - 1, 1), min(year + 1, 9998) + 1):
        begin = _first_week(numbered, rule.week_start)
        total = (_first_week(numbered + 1, rule.week_start) - begin) // 7
        for week in rule.weeks:
            number = week if week > 0 else total + week + 1
            if 1 <= number <= total:
                start = begin + 7 * (number - 1)
                found.update(day for day in range(start, start + 7) if first <= day <= last)
    return found


def _weekday_matches(rule: Rule, first: int, last: int) -> set[int]:
    """The days of [first, last] that BYDAY names, its numbers counted within that range."""
    found: set[int] = set()
    for weekday in rule.weekdays:
        found.update(range(first + (weekday - (first - 1)) % 7, last + 1, 7))
    for n, weekday in rule.nth_weekdays:
        if n > 0:
            day = first + (weekday - (first - 1)) % 7 + 7 * (n - 1)
        else:
            day = last - ((last - 1) - weekday) % 7 + 7 * (n + 1)
        if first <= day <= last:
            found.add(day)
    return found


def _month_range(year: int, month: int) -> tuple[int, int]:
    first = date(year, month, 1).toordinal()
    return first, first + calendar.monthrange(year, month)[1] - 1


def _days(rule: Rule, year: int, months: Iterable[int], start: date) -> list[int]:
    """Ordinals, ascending, of the days of a yearly or monthly period (the table of RFC 5545 section 3.3.10)."""
    ranges = [_month_range(year, month) for month in months]
    sets: list[set[int]] = []
    if rule.month_days:
        sets.append(
            {
                day
                for first, last in ranges
                for n in rule.month_days
                if first <= (day := first + n - 1 if n > 0 else last + n + 1) <= last
            }
        )
    if rule.year_days:
        first, last = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
        days = {first + n - 1 if n > 0 else last + n + 1 for n in rule.year_days}
        sets.append({day for low, high in ranges for day in days if low <= day <= high})
    if rule.weeks:
        sets.append(
            {day for day in _in_weeks(rule, year) for low, high in ranges if low <= day <= high}
            if rule.months
            else _in_weeks(rule, year)
        )
    if rule.weekdays or rule.nth_weekdays:
        if rule.freq == "YEARLY" and not rule.months:
            spans = [(date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal())]
        else:
            spans = ranges
        sets.append(set().union(*(_weekday_matches(rule, first, last) for first, last in spans)))
    elif rule.weeks and not rule.month_days and not rule.year_days:
        # What BYWEEKNO doesn't say comes from DTSTART, as the RFC has it for every missing part.
        sets[-1] = {day for day in sets[-1] if (day - 1) % 7 == start.weekday()}
    if not sets:
        if rule.freq == "YEARLY" and not rule.months:
            ranges = [_month_range(year, start.month)]
        sets.append({day for first, last in ranges if (day := first + start.day - 1) <= last})
    return sorted(set.intersection(*sets))


def _day_passes(rule: Rule, day: int) -> bool:
    """Whether BYMONTH, BYMONTHDAY, BYYEARDAY and BYDAY let a day pass, for daily and finer frequencies and weeks."""
    if rule.weekdays and (day - 1) % 7 not in rule.weekdays:
        return False
    if not (rule.months or rule.month_days or rule.year_days):
        return True
    on = date.fromordinal(day)
    if rule.months and on.month not in rule.months:
        return False
    if rule.month_days:
        length = calendar.monthrange(on.year, on.month)[1]
        if on.day not in rule.month_days and on.day - length - 1 not in rule.month_days:
            return False
    if rule.year_days:
        number = day - date(on.year, 1, 1).toordinal() + 1
        length = 366 if calendar.isleap(on.year) else 365
        return number in rule.year_days or number - length - 1 in rule.year_days
    return True


def _next_open_day(rule: Rule, day: int) -> int:
    """The next day that BYMONTH could let pass, after one that didn't pass."""
    if not rule.months:
        return day + 1
    on = date.fromordinal(day)
    if on.month in rule.months:
        return day + 1
    later = [month for month in rule.months if month > on.month]
    year, month = (on.year, later[0]) if later else (on.year + 1, rule.months[0])
    return date(year, month, 1).toordinal() if year <= 9999 else _LAST_DAY + 1


def _times(rule: Rule, second_of_day: int) -> tuple[int, ...]:
    """Seconds of the day, ascending, at which instances of a daily or coarser rule start."""
    minute_of_day, second = divmod(second_of_day, 60)
    hour, minute = divmod(minute_of_day, 60)
    if not (rule.hours or rule.minutes or rule.seconds):
        return (second_of_day,)
    return tuple(
        3600 * h + 60 * m + s
        for h, m, s in product(rule.hours or (hour,), rule.minutes or (minute,), rule.seconds or (second,))
    )


def _yearly(rule: Rule, start: date, from_day: int, last_day: int) -> Iterator[list[int]]:
    months = rule.months or range(1, 13)
    begin, last = date.fromordinal(from_day).year, date.fromordinal(last_day).year
    skipped = (begin - start.year) // rule.interval * rule.interval
    for year in range(start.year + skipped, last + 1, rule.interval):
        yield _days(rule, year, months, start)


def _monthly(rule: Rule, start: date, from_day: int, last_day: int) -> Iterator[list[int]]:
    begin, last = date.fromordinal(from_day), date.fromordinal(last_day)
    first = 12 * start.year + start.month - 1
    skipped = (12 * begin.year + begin.month - 1 - first) // rule.interval * rule.interval
    for number in range(first + skipped, 12 * last.year + last.month, rule.interval):
        year, month = divmod(number, 12)
        passes = not rule.months or month + 1 in rule.months
        yield _days(rule, year, (month + 1,), start) if passes else []


def _weekly(rule: Rule, start: date, from_day: int, last_day: int) -> Iterator[list[int]]:
    first = start.toordinal() - (start.weekday() - rule.week_start) % 7
    offsets = sorted((day - rule.week_start) % 7 for day in rule.weekdays or {start.weekday()})
    filtered = bool(rule.months or rule.month_days or rule.year_days)
    step = 7 * rule.interval
    for week in range(first + (from_day - first) // step * step, last_day + 1, step):
        days = [week + offset for offset in offsets if 1 <= week + offset <= _LAST_DAY]
        yield [day for day in days if _day_passes(rule, day)] if filtered else days


def _daily(rule: Rule, start: date, from_day: int, last_day: int) -> Iterator[list[int]]:
    first, step = start.toordinal(), rule.interval
    day = first + (from_day - first) // step * step
    while day <= last_day:
        if _day_passes(rule, day):
            yield [day]
            day += step
        else:
            yield []
            day += -(-(_next_open_day(rule, day) - day) // step) * step


_COARSE = {"YEARLY": _yearly, "MONTHLY": _monthly, "WEEKLY": _weekly, "DAILY": _daily}


def _coarse_periods(
    rule: Rule, first: int, not_before: int, not_after: int, work: Work
) -> Iterator[list[int]]:
    """The candidates of each year, month, week or day, from the period around `not_before` on."""
    first_day, second_of_day = divmod(first, DAY)
    times = _times(rule, second_of_day)
    from_day, last_day = max(not_before // DAY, first_day), min(not_after // DAY, _LAST_DAY)
    if from_day > last_day:
        return
    for days in _COARSE[rule.freq](rule, date.fromordinal(first_day), from_day, last_day):
        if not work.spend(1 + len(days) * len(times)):
            return
        yield [DAY * day + time for day in days for time in times]


def _fine_periods(rule: Rule, first: int, not_before: int, not_after: int, work: Work) -> Iterator[list[int]]:
    """The candidates of each hour, minute or second, from around `not_before` on, leaping over what the filters close."""
    unit = _SECONDS[rule.freq]
    step = unit * rule.interval
    begin = first // unit * unit
    minute, second = divmod(first % 3600, 60)
    if rule.freq == "HOURLY":
        offsets = tuple(60 * m + s for m, s in product(rule.minutes or (minute,), rule.seconds or (second,)))
    elif rule.freq == "MINUTELY":
        offsets = rule.seconds or (second,)
    else:
        offsets = (0,)
    last = min(not_after, DAY * (_LAST_DAY + 1) - 1)
    at = begin + max(not_before - begin, 0) // step * step
    while at <= last:
        day, second_of_day = divmod(at, DAY)
        if not _day_passes(rule, day):
            target = DAY * _next_open_day(rule, day)
        elif rule.hours and second_of_day // 3600 not in rule.hours:
            target = at // 3600 * 3600 + 3600
        elif unit < 3600 and rule.minutes and second_of_day // 60 % 60 not in rule.minutes:
            target = at // 60 * 60 + 60
        elif unit == 1 and rule.seconds and second_of_day % 60 not in rule.seconds:
            target = at + 1
        else:
            if not work.spend(1 + len(offsets)):
                return
            yield [at + offset for offset in offsets]
            at += step
            continue
        if not work.spend(1):
            return
        at += -(-(target - at) // step) * step


def candidates(rule: Rule, first: int, not_before: int, not_after: int, work: Work) -> Iterator[int]:
    """Local starts, ascending, that the rule alone produces from `first` on within [not_before, not_after].

    COUNT and UNTIL are not applied. All arguments but the rule are local seconds.
    """
    periods = _fine_periods if rule.freq in _SECONDS else _coarse_periods
    for period in periods(rule, first, not_before, not_after, work):
        if rule.positions:
            size = len(period)
            chosen: Iterable[int] = sorted(
                {
                    period[n - 1 if n > 0 else size + n]
                    for n in rule.positions
                    if (n <= size if n > 0 else -n <= size)
                }
            )
        else:
            chosen = period
        for local in chosen:
            if local < first or local < not_before:
                continue
            if local > not_after:
                return
            yield local


def starts(rule: Rule, first: int, not_before: int, not_after: int, work: Work) -> Iterator[int]:
    """Local starts, ascending, of the recurrence set of DTSTART and the rule within [not_before, not_after]; UNTIL not applied."""
    if rule.count is None:
        if not_before <= first <= not_after:
            yield first
        for local in candidates(rule, first, not_before, not_after, work):
            if local != first:
                yield local
        return
    if not_before <= first <= not_after:
        yield first
    for local in islice(candidates(rule, first, first, not_after, work), rule.count):
        if local >= not_before and local != first:
            yield local


def vet(rule: Rule, first: Moment) -> None:
    """Refuse a rule that can't be served: without instances, or with more than MAX_PER_YEAR a year.

    Raises RuleError, with the precondition "max-instances" for the latter.
    """
    times = max(1, len(rule.hours)) * max(1, len(rule.minutes)) * max(1, len(rule.seconds))
    fine = rule.freq in _SECONDS
    if not fine and times > MAX_TIMES_A_DAY:
        raise RuleError(f"RRULE: more than {MAX_TIMES_A_DAY} times a day", "max-instances")
    if fine and len(rule.minutes or (0,)) * len(rule.seconds or (0,)) > MAX_TIMES_A_DAY:
        raise RuleError("RRULE: BYMINUTE and BYSECOND give too many times", "max-instances")
    local = first.local
    # The shortest way first: nearly every DTSTART is produced by its own rule.
    work = Work(_VET_WORK)
    horizon = local + _VET_YEARS * 366 * DAY
    if next(candidates(rule, local, local, horizon, work), None) is None:
        raise RuleError("RRULE never produces an instance")
    if rule.count is not None and rule.count <= MAX_PER_YEAR:
        return
    if not fine and times * -(-366 // (rule.interval if rule.freq == "DAILY" else 1)) <= MAX_PER_YEAR:
        return
    years = 1 + (rule.interval if rule.freq == "YEARLY" else 1)
    work = Work()
    recent: deque[int] = deque(maxlen=MAX_PER_YEAR + 1)
    until = None if rule.until is None else to_local(first.zone, rule.until)
    for start in starts(rule, local, local, local + years * 366 * DAY, work):
        if until is not None and start > until:
            break
        recent.append(start)
        if len(recent) > MAX_PER_YEAR and start - recent[0] < 366 * DAY:
            raise RuleError(f"RRULE: more than {MAX_PER_YEAR} instances a year", "max-instances")
    if work.left < 0:
        raise RuleError("RRULE: too many candidates for its instances", "max-instances")
