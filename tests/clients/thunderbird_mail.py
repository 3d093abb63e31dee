"""What a citizen sees of our mails in Thunderbird: `python -m tests.clients.thunderbird_mail [FOLDER]`.

The mails are the worker's own, put into the inbox of a Thunderbird of Debian's package on a virtual screen:

1. The confirmation is shown as an invitation. She accepts, and the appointment is in her calendar at its time.
2. The update is recognised as one. She accepts, and the same entry has the new time.
3. The cancellation is recognised, and she removes the entry.

Screenshots go into FOLDER (docs/screenshots). Exits with 1 and says what was seen instead where one of this fails.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from booking_web.notifications.letters import Letters
from booking_web.notifications.mails import compose
from booking_web.notifications.told import decide
from booking_web.town import Looks
from calendar_server.ical.appointment import ServiceLine
from config.commands.options import EXAMPLE
from tests.clients.marionette import (
    PROGRAMS,
    Marionette,
    Screen,
    folder_of_screenshots,
    screen,
    thunderbird,
    wait_for,
)
from tests.clients.thunderbird import UnexpectedError, expect
from tests.notifications.town import SECRET, UID, town
from tests.support.town import NOW, appointment, at

if TYPE_CHECKING:
    from booking_web.notifications.mails import Mail

PREFERENCES: dict[str, bool | int | str] = {
    "mail.pane_config.dynamic": 0,  # the mail below the list, as wide as the window
    "mailnews.default_view_flags": 0,  # no threads: each mail has a line of its own
}

_PREPARE = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
win.moveTo(0, 0);
win.resizeTo(args[1], args[2]);
const identity = MailServices.accounts.createIdentity();
identity.email = args[0];
identity.fullName = "Erika Muster";
MailServices.accounts.accounts[0].addIdentity(identity);
const root = MailServices.accounts.localFoldersServer.rootFolder;
if (!root.containsChildNamed("Inbox")) root.createSubfolder("Inbox", null);
const { cal } = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
for (const old of cal.manager.getCalendars()) cal.manager.removeCalendar(old);
const mine = cal.manager.createCalendar("storage", Services.io.newURI("moz-storage-calendar://"));
mine.name = "Erika";
cal.manager.registerCalendar(mine);
mine.setProperty("imip.identity.key", identity.key);
win.document.getElementById("today-pane-panel").setVisible(false);
"""

_DELIVER = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const folder = MailServices.accounts.localFoldersServer.rootFolder.getChildNamed("Inbox");
const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
file.initWithPath(args[0]);
await new Promise((resolve, reject) => MailServices.copy.copyFileMessage(file, folder, null, false, 0, "", {
  QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
  onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
  onStopCopy(status) { Components.isSuccessCode(status) ? resolve() : reject(new Error(`copying: ${status}`)); },
}, null));
const about = win.document.getElementById("tabmail").currentAbout3Pane;
about.displayFolder(folder.URI);
await new Promise(resolve => win.setTimeout(resolve, 500));
const count = about.gDBView.rowCount;
let newest = 0;
for (let row = 0; row < count; row++) {
  if (about.gDBView.getMsgHdrAt(row).messageId === args[1]) newest = row;
}
about.threadTree.selectedIndex = newest;
"""

_BAR = """
const about = win.document.getElementById("tabmail").currentAbout3Pane;
const message = about.messageBrowser.contentWindow;
const bar = message.document.getElementById("imip-bar");
if (!bar || bar.collapsed || bar.hidden) return null;
const subject = message.document.getElementById("expandedsubjectBox");
if (!subject || !subject.textContent.includes(args[0])) return null;
const buttons = [...message.document.querySelectorAll("#imip-view-toolbar toolbarbutton")];
const shown = buttons.filter(button => !button.hidden && button.getBoundingClientRect().width);
return shown.map(button => button.id);
"""

_PRESS = """
const about = win.document.getElementById("tabmail").currentAbout3Pane;
about.messageBrowser.contentWindow.document.getElementById(args[0]).doCommand();
"""

_ENTRIES = """
const { cal } = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const found = [];
for (const calendar of cal.manager.getCalendars()) {
  for (const item of await calendar.getItemsAsArray(Ci.calICalendar.ITEM_FILTER_ALL_ITEMS, 0, null, null)) {
    found.push([item.id, item.startDate.icalString, item.getProperty("STATUS")]);
  }
}
return found;
"""


def mails() -> list[Mail]:
    """A confirmation, an update and a cancellation, as the worker writes them."""
    sender = town(looks=Looks(mail_emblem=EXAMPLE / "emblem.png"))
    letters = Letters(sender, SECRET)
    booked = appointment(
        UID,
        at(7, 9),
        services=(ServiceLine("reisepass", 2), ServiceLine("beglaubigung")),
        reference="K7QM-3XPD",
    )
    moved = replace(booked.at(at(9, 10)), sequence=1)
    first = decide(None, booked, office="buergerbuero", now=NOW)
    assert first is not None
    second = decide(first.told, moved, office="buergerbuero", now=NOW, by_citizen=True)
    assert second is not None
    third = decide(second.told, None, office="buergerbuero", now=NOW)
    assert third is not None
    made: list[Mail] = []
    for minutes, decision in enumerate((first, second, third)):
        references = tuple(mail.message_id for mail in made)
        made.append(
            compose(decision, letters, sender, now=NOW + timedelta(minutes=minutes), references=references)
        )
    return made


class Inbox:
    """Thunderbird's inbox, and the calendar that invitations go to."""

    def __init__(self, program: Marionette, on: Screen, work: Path) -> None:
        self._program, self._screen, self._work = program, on, work
        program.run(_PREPARE, "erika@example.org", 1280, 860)

    def receive(self, mail: Mail) -> list[str]:
        """Put a mail into the inbox and open it; return the buttons that the bar above it offers."""
        file = self._work / f"{mail.message_id}.eml"
        file.write_bytes(mail.message().as_bytes())
        self._program.run(_DELIVER, str(file), mail.message_id)
        found = wait_for(
            f"the invitation bar of {mail.subject!r}", lambda: self._program.run(_BAR, mail.subject[:20])
        )
        return list(found)

    def press(self, button: str) -> None:
        """Press one of the bar's buttons."""
        self._program.run(_PRESS, button)

    def entries(self) -> list[list[str]]:
        """Uid, start and status of all that is in the calendar."""
        return list(self._program.run(_ENTRIES))

    def shot(self, file: Path) -> None:
        """Take a screenshot."""
        self._screen.rest()
        self._screen.shot(file)


def invited(inbox: Inbox, folder: Path) -> None:
    """All three scenes."""
    confirmation, update, cancellation = mails()
    offered = inbox.receive(confirmation)
    inbox.shot(folder / "thunderbird-mail-confirmation.png")
    inbox.press(_wanted(offered, "imipAddButton", "imipAcceptButton"))
    wait_for("the entry at nine", lambda: [e[:2] for e in inbox.entries()] == [[UID, "20261207T090000"]])
    offered = inbox.receive(update)
    inbox.shot(folder / "thunderbird-mail-update.png")
    inbox.press(_wanted(offered, "imipUpdateButton", "imipReconfirmButton", "imipAcceptButton"))
    wait_for("the entry at ten", lambda: [e[:2] for e in inbox.entries()] == [[UID, "20261209T100000"]])
    offered = inbox.receive(cancellation)
    inbox.shot(folder / "thunderbird-mail-cancellation.png")
    inbox.press(_wanted(offered, "imipDeleteButton"))
    wait_for("the entry to go", lambda: inbox.entries() == [])


def _wanted(offered: list[str], *names: str) -> str:
    found = [name for name in names if name in offered]
    expect(bool(found), f"the bar offers {offered}")
    return found[0]


def main(folder: Path) -> int:
    """Run it; the exit status."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        click.echo(
            f"Not installed: {', '.join(missing)} (Debian: apt install thunderbird xvfb xdotool imagemagick)"
        )
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="termin-clients-"))
    log = work / "thunderbird.log"
    with screen() as on, thunderbird(on, PREFERENCES, log) as program:
        try:
            invited(Inbox(program, on, work), folder)
        except (UnexpectedError, TimeoutError) as error:
            on.shot(work / "failed.png")
            click.echo(f"{error} (screenshot: {work / 'failed.png'}, log: {log})")
            return 1
    click.echo("invitation, update and cancellation: as expected")
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main(folder_of_screenshots(__doc__)))
