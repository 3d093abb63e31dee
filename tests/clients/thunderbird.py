"""What clerks and their lead do in Thunderbird, done in Thunderbird: `python -m tests.clients.thunderbird [FOLDER]`.

A calendar server with two clerks, a Thunderbird of Debian's package on a virtual screen, and a mouse:

1. A clerk sees an appointment that was booked.
2. She drags it to another time. The server has the new time, and what Thunderbird doesn't understand is still there.
3. She drags it onto another appointment. The server refuses with 403, keeps its copy, and Thunderbird shows the old time again.
4. She invites a colleague: the dialog shows when the colleague is busy, and Thunderbird learns that it has to send the mail itself.
5. The lead draws an event into the office's calendar, and it gets a clerk.

Screenshots go into FOLDER (docs/screenshots). Exits with 1 and says what was seen instead where one of this fails.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from calendar_server.ical.appointment import Appointment, from_ical
from tests.clients.dav import Dav
from tests.clients.marionette import (
    PROGRAMS,
    Marionette,
    Point,
    Screen,
    folder_of_screenshots,
    screen,
    thunderbird,
    wait_for,
)
from tests.clients.recording import Recorder
from tests.support.calendar import PASSWORD, CalendarServer, calendar_server
from tests.support.databases import fresh_sqlite
from tests.support.town import BERLIN, NOW, appointment, at, clerk, directory, office

if TYPE_CHECKING:
    from collections.abc import Callable

OFFICE = "buergerbuero/appointments"

_SHOW = """
const { cal } = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const [address, account, password, name, color, day] = args;
for (const old of cal.manager.getCalendars()) cal.manager.removeCalendar(old);
const uri = Services.io.newURI(address);
const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
login.init(uri.prePath, null, "termin", account, password, "", "");
await Services.logins.addLoginAsync(login);
const calendar = cal.manager.createCalendar("caldav", uri);
calendar.name = name;
for (const [key, value] of Object.entries({
  username: account, color, "cache.enabled": true, "calendar-main-in-composite": true,
})) calendar.setProperty(key, value);
cal.manager.registerCalendar(calendar);
win.document.getElementById("tabmail").openTab("calendar");
await new Promise(resolve => win.setTimeout(resolve, 1500));
win.document.getElementById("today-pane-panel").setVisible(false);
const search = win.document.getElementById("bottom-events-box");
if (search && !search.hidden) win.toggleUnifinder();
win.switchToView("week");
win.goToDate(cal.createDateTime(day));
"""

_BOXES = """
const found = {};
for (const box of win.currentView().querySelectorAll("calendar-event-box")) {
  if (!box.occurrence) continue; // the shadow of a drag
  found[box.occurrence.id] = box.occurrence.startDate.icalString;
}
return found;
"""

_COLUMN = """
const view = win.currentView();
const column = view.querySelectorAll("calendar-event-column")[args[0]];
const { x, y, width } = column.getBoundingClientRect();
return [x + win.mozInnerScreenX, y + win.mozInnerScreenY, width, view.pixelsPerMinute];
"""

_INVITE = """
const { cal } = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const { CalAttendee } = ChromeUtils.importESModule("resource:///modules/CalAttendee.sys.mjs");
const [calendar] = cal.manager.getCalendars();
const attendee = new CalAttendee();
attendee.id = `mailto:${args[0]}`;
const zone = cal.dtz.defaultTimezone;
const [startTime, endTime] = [cal.createDateTime(args[1]), cal.createDateTime(args[2])];
startTime.timezone = endTime.timezone = zone;
win.openDialog("chrome://calendar/content/calendar-event-dialog-attendees.xhtml", "_blank",
  "chrome,titlebar,resizable,left=170,top=200,width=1000,height=520",
  { startTime, endTime, displayTimezone: true, attendees: [attendee], organizer: null, calendar, onOk() {} });
"""

_BUSY_BLOCKS = """
const dialog = Services.wm.getMostRecentWindow("Calendar:EventDialog:Attendees");
return dialog ? dialog.document.querySelectorAll(".busy").length : 0;
"""

_SAVE_WITH_GUEST = """
const { cal } = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const { CalEvent } = ChromeUtils.importESModule("resource:///modules/CalEvent.sys.mjs");
Services.wm.getMostRecentWindow("Calendar:EventDialog:Attendees")?.close();
const [calendar] = cal.manager.getCalendars();
const event = new CalEvent(args[0]);
const saved = await calendar.addItem(event);
return saved.getAttendees().map(attendee => attendee.getProperty("SCHEDULE-AGENT"));
"""


class UnexpectedError(AssertionError):
    """Something else happened than the scenario says."""


def expect(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise UnexpectedError with what was seen instead."""
    if not holds:
        raise UnexpectedError(what)


class Week:
    """The week view of Thunderbird's calendar."""

    def __init__(self, program: Marionette, on: Screen) -> None:
        self._program = program
        self._screen = on
        program.run("win.moveTo(0, 0); win.resizeTo(args[0], args[1]);", 1280, 860)

    def subscribe(self, address: str, account: str, name: str, color: str, monday: datetime) -> None:
        """Show this calendar and no other one, in the week that begins on `monday`."""
        self._program.run(_SHOW, address, account, PASSWORD, name, color, f"{monday:%Y%m%d}")

    def starts(self) -> dict[str, str]:
        """What the view shows: uid to start, as iCalendar writes it."""
        return dict(self._program.run(_BOXES))

    def wait_until_shown(self, uid: str, start: datetime) -> None:
        """Wait until the view shows an event at this time."""
        text = f"{start:%Y%m%dT%H%M%S}"
        wait_for(f"{uid} at {text}", lambda: self.starts().get(uid) == text)

    def point(self, when: datetime) -> Point:
        """Where a time of the shown week is."""
        x, y, width, scale = self._program.run(_COLUMN, when.weekday())
        return Point(round(x + width / 2), round(y + (when.hour * 60 + when.minute) * scale))

    def move(self, start: datetime, end: datetime) -> None:
        """Drag the event that begins at `start` to `end`, by its middle: at its edges it would be made longer."""
        middle = timedelta(minutes=15)
        there = self.point(end + middle)
        # Thunderbird rounds down to quarters of an hour.
        self._screen.drag(self.point(start + middle), Point(there.x, there.y + 3))

    def invite(self, address: str, start: datetime, end: datetime) -> None:
        """Open the dialog that chooses attendees, with this one in it."""
        self._program.run(_INVITE, address, f"{start:%Y%m%dT%H%M%S}", f"{end:%Y%m%dT%H%M%S}")

    def busy_blocks(self) -> int:
        """How many busy periods that dialog shows."""
        found: int = self._program.run(_BUSY_BLOCKS)
        return found

    def save(self, text: str) -> list[str | None]:
        """Close the dialog, save an event, and return who is to tell each of its attendees, by what Thunderbird keeps."""
        found: list[str | None] = self._program.run(_SAVE_WITH_GUEST, text)
        return found

    def draw(self, start: datetime, end: datetime) -> None:
        """Draw a new event."""
        self._screen.drag(self.point(start + timedelta(minutes=5)), self.point(end - timedelta(minutes=5)))

    def shot(self, file: Path) -> None:
        """Take a screenshot once the view is at rest, with the mouse out of the way."""
        self._screen.rest()
        self._screen.shot(file)


def _stored(server: CalendarServer, uid: str) -> Appointment:
    return server.client().read("buergerbuero", uid, BERLIN).appointment


def _private(made: Appointment) -> tuple[object, ...]:
    return made.services, made.name, made.email, made.language, made.office


def shows_and_moves(week: Week, server: CalendarServer, seen: Recorder, folder: Path) -> None:
    """Scenes 1 to 3, as clerk1."""
    week.subscribe(f"{server.url}/clerk1/calendar/", "clerk1", "Meine Termine", "#1b6ca8", at(7, 0))
    week.wait_until_shown("first@test", at(7, 9))
    week.wait_until_shown("second@test", at(7, 11))
    week.shot(folder / "thunderbird-appointment.png")

    before = _stored(server, "first@test")
    week.move(at(7, 9), at(7, 13))
    wait_for("the server's copy to move", lambda: _stored(server, "first@test").start == at(7, 13))
    week.wait_until_shown("first@test", at(7, 13))
    moved = _stored(server, "first@test")
    expect(moved.end - moved.start == timedelta(minutes=30), f"it now lasts {moved.end - moved.start}")
    expect(_private(moved) == _private(before), f"lost in the edit: {_private(moved)}")
    expect(moved.sequence == before.sequence + 1, f"its SEQUENCE is {moved.sequence}")
    week.shot(folder / "thunderbird-moved.png")

    mark = seen.mark
    week.move(at(7, 13), at(7, 11))
    (put,) = wait_for("Thunderbird's PUT", lambda: seen.since(mark, "PUT") or None)
    expect(put.status == 403, f"the server answered {put.status}")
    expect("time-taken" in put.answer, f"the server answered {put.answer}")
    week.wait_until_shown("first@test", at(7, 13))
    week.wait_until_shown("second@test", at(7, 11))
    expect(_stored(server, "first@test") == moved, "the server's copy has changed")
    week.shot(folder / "thunderbird-refused.png")
    expect(seen.since(mark, "PUT") == [put], "Thunderbird has tried once more")
    expect(week.starts()["first@test"] == "20261207T130000", f"the week has {week.starts()}")


MEETING = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:{uid}
DTSTAMP:20261201T110000Z
DTSTART;TZID=Europe/Berlin:{day:%Y%m%d}T143000
DTEND;TZID=Europe/Berlin:{day:%Y%m%d}T153000
SUMMARY:Besprechung
{parties}END:VEVENT
END:VCALENDAR
"""


def invites(week: Week, server: CalendarServer, seen: Recorder, folder: Path) -> None:
    """Scene 4, as clerk1, in the calendar of the scenes before."""
    colleague = Dav(server, "clerk2", "test")
    put = colleague.put("/clerk2/calendar/m.ics", MEETING.format(uid="m", day=at(7, 0), parties=""))
    expect(put.status_code == 201, f"the server answered {put.status_code}")
    mark = seen.mark
    week.invite("clerk2@example.org", at(7, 14), at(7, 15))
    wait_for("the colleague's busy time", lambda: week.busy_blocks() == 1)
    (post,) = seen.since(mark, "POST")
    expect(post.path == "/clerk1/outbox/", f"it asked {post.path}")
    expect("20261207T133000Z/20261207T143000Z" in post.answer, f"the server answered {post.answer}")
    week.shot(folder / "thunderbird-free-busy.png")
    parties = "ORGANIZER:mailto:clerk1@example.org\nATTENDEE;RSVP=TRUE:mailto:clerk2@example.org\n"
    agents = week.save(MEETING.format(uid="invited", day=at(8, 0), parties=parties))
    expect(agents == ["CLIENT"], f"the attendees are told by {agents}")


def draws(week: Week, server: CalendarServer, seen: Recorder, folder: Path) -> None:
    """Scene 5, as lead."""
    week.subscribe(f"{server.url}/{OFFICE}/", "lead", "Termine Bürgerbüro", "#7a4b9a", at(7, 0))
    week.wait_until_shown("second@test", at(7, 11))
    before = set(week.starts())
    mark = seen.mark
    week.draw(at(7, 14, 30), at(7, 15, 30))
    (put,) = wait_for("Thunderbird's PUT", lambda: seen.since(mark, "PUT") or None)
    expect(put.status == 201, f"the server answered {put.status}: {put.answer}")
    uid = from_ical(put.body, BERLIN).uid
    week.wait_until_shown(uid, at(7, 14, 30))
    expect(set(week.starts()) == before | {uid}, f"the week has {week.starts()}")
    holders = [
        name
        for name in ("clerk1", "clerk2")
        for event in server.calendar(name).events()
        if str(event.icalendar_component["UID"]) == uid
    ]
    expect(len(holders) == 1, f"it lies with {holders}")
    week.shot(folder / "thunderbird-drawn.png")


def main(folder: Path) -> int:
    """Run all scenes; the exit status."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        click.echo(
            f"Not installed: {', '.join(missing)} (Debian: apt install thunderbird xvfb xdotool imagemagick)"
        )
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="termin-clients-"))
    seen = Recorder()
    # Only clerk1 does registrations: both appointments of the scenes must lie with the same clerk.
    clerks = clerk("clerk1", "anmeldung", "reisepass"), clerk("clerk2", "reisepass")
    log = work / "thunderbird.log"
    try:
        with (
            calendar_server(fresh_sqlite(work), directory(office(*clerks)), around=seen.around) as server,
            screen() as on,
            thunderbird(on, {}, log) as program,
        ):
            for uid, start, name in (
                ("first@test", at(7, 9), "Muster"),
                ("second@test", at(7, 11), "Beispiel"),
            ):
                summary = f"Anmeldung · {name}"
                server.client().book(appointment(uid, start, "anmeldung", summary=summary), now=NOW)
            week = Week(program, on)
            scenes: tuple[Callable[[Week, CalendarServer, Recorder, Path], None], ...] = (
                shows_and_moves,
                invites,
                draws,
            )
            for scene in scenes:
                try:
                    scene(week, server, seen, folder)
                except (UnexpectedError, TimeoutError) as error:
                    on.shot(work / "failed.png")
                    click.echo(f"{scene.__name__}: {error} (screenshot: {work / 'failed.png'}, log: {log})")
                    return 1
                click.echo(f"{scene.__name__}: as expected")
    except BaseException:
        click.echo(f"Thunderbird's log: {log}")
        raise
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main(folder_of_screenshots(__doc__)))
