"""What somebody writes to the town about the site, as a mail to the town's mailbox for that (§ 10d BGG NRW: the feedback mechanism).

The public site has neither a database nor a way to send mail; so what it takes goes through the calendar server's door
(`calendar_server.mailroom`) into the worker's outbox, and leaves like any other mail.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from booking_web.notifications.addresses import mailbox
from booking_web.notifications.letters import Letter, as_html, as_text
from booking_web.notifications.mails import Mail, display_name, message_id
from booking_web.notifications.store import GIVE_UP_AFTER
from booking_web.notifications.told import Decision, Kind, Snapshot, Told

if TYPE_CHECKING:
    from datetime import datetime

    from booking_web.town import Town


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody wrote; `page`: the path that it's about, `email`: where to answer. Both may be ""."""

    text: str
    page: str = ""
    email: str = ""


def write(feedback: Feedback, town: Town, now: datetime) -> tuple[Decision, Mail]:
    """Return the mail to the town; the same feedback on the same day is the same mail. Raises AddressError."""
    office = town.offices[0]
    sender, recipient = mailbox(office.email).address, mailbox(town.accessibility.email).address
    said = "\n".join((feedback.text, feedback.page, feedback.email, now.astimezone(UTC).date().isoformat()))
    # Kept as a decision about an appointment that nobody has, so that the outbox needs to know one kind of thing only.
    snapshot = Snapshot(
        office=office.id,
        uid=f"feedback-{hashlib.sha256(said.encode()).hexdigest()[:40]}",
        start=now.astimezone(UTC),
        end=now.astimezone(UTC) + GIVE_UP_AFTER,
        zone=office.zone,
        services=(),
        email=recipient,
    )
    letter = Letter(
        language="de",
        subject="Rückmeldung zur Terminbuchung im Internet",
        title="Rückmeldung zur Terminbuchung im Internet",
        greeting="Guten Tag,",
        paragraphs=(
            "jemand hat das Formular auf den Seiten der Terminbuchung ausgefüllt:",
            *_lines(feedback.text),
        ),
        facts=(
            ("Seite", feedback.page or "nicht angegeben"),
            ("Antwort an", feedback.email or "nicht angegeben"),
        ),
        documents=(),
        conditional=(),
        notes=(),
        link=None,
        more_links=(),
        closing=("Bitte antworten Sie so schnell wie möglich, falls eine Adresse dabei steht.",),
        signature=(town.mail_sender,),
        small_print=("Ein Programm hat diese E-Mail verschickt.",),
        labels=("", "", ""),
        colours=(town.looks.primary, town.looks.on_primary),
    )
    mail = Mail(
        message_id=message_id(town.host, snapshot, "", 0, purpose=Kind.FEEDBACK.value),
        date=now.replace(microsecond=0),
        sender_name=display_name(town.mail_sender),
        sender=sender,
        recipient_name="",
        recipient=recipient,
        subject=letter.subject,
        text=as_text(letter),
        html=as_html(letter),
    )
    return Decision(Kind.FEEDBACK, Told(snapshot, 0), None), mail


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line for line in (" ".join(line.split()) for line in text.splitlines()) if line)
