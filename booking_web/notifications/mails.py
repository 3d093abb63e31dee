"""Mails as values that can be kept, and the MIME messages made of them (RFC 5322, iMIP: RFC 6047).

The same `Mail` always gives the same bytes, boundaries and date included: what is repeated after a lost reply is the very
same message, and whoever has it already can tell by its Message-ID.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from email import policy
from email.charset import BASE64, QP, Charset
from email.header import Header
from email.mime.application import MIMEApplication
from email.mime.image import MIMEImage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr
from typing import TYPE_CHECKING, Any

import flask_mail

from booking_web.notifications.addresses import mailbox
from booking_web.notifications.letters import as_html, as_text
from booking_web.notifications.one_line import on_one_line
from booking_web.notifications.told import Kind
from calendar_server.ical import itip

if TYPE_CHECKING:
    from booking_web.notifications.letters import Letters
    from booking_web.notifications.told import Decision, Snapshot
    from booking_web.town import Town

ATTACHMENT = "termin.ics"
_REFERENCES_KEPT = 6
_NAME_LIMIT = 100
"""A name in ASCII isn't folded, and with its address it must fit into a line (998 bytes, RFC 5322 section 2.1.1)."""
# Headers come folded: refolding would put a Message-ID on a line of its own, which some servers misread.
_POLICY = policy.compat32.clone(linesep="\r\n", max_line_length=None)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that is ready to leave. `calendar` is an iTIP message with that `method`; both are "" if there's none.

    `message_id` and `references` (oldest first) have no angle brackets. `date` is aware: when the mail was written, however often
    it's sent.
    """

    message_id: str
    date: datetime
    sender_name: str
    sender: str
    recipient_name: str
    recipient: str
    subject: str
    text: str
    html: str
    calendar: str = ""
    method: str = ""
    references: tuple[str, ...] = ()
    language: str = "de"
    emblem: str = ""
    """The PNG that the HTML shows, in base64: kept with the mail, so that a repeat is the very same. "": none."""
    emblem_id: str = ""
    """Its Content-ID."""

    def to_json(self) -> str:
        """Return it as JSON text; `from_json` reads it."""
        return json.dumps({**asdict(self), "date": self.date.isoformat()}, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> Mail:
        """Read what `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        values["date"] = datetime.fromisoformat(values["date"])
        values["references"] = tuple(values["references"])
        return Mail(**values)

    def message(self) -> CalendarMessage:
        """Return the MIME message."""
        return CalendarMessage(self)

    def html_alone(self) -> str:
        """Return the HTML with its picture inside, to be looked at without the mail."""
        return self.html.replace(f"cid:{self.emblem_id}", f"data:image/png;base64,{self.emblem}")

    def envelope(self) -> tuple[str, str]:
        """Return sender and recipient as they stand in the envelope, domains in ASCII. Raises AddressError."""
        return mailbox(self.sender).address, mailbox(self.recipient).address


def message_id(host: str, snapshot: Snapshot, method: str, sequence: int, *, purpose: str = "") -> str:
    """Return the Message-ID of the message about this state: always the same, and without the uid in clear."""
    named = "\n".join((snapshot.office, snapshot.uid, method, str(sequence), purpose))
    return f"{hashlib.sha256(named.encode()).hexdigest()[:40]}@{host}"


def thread(references: tuple[str, ...], newest: str) -> tuple[str, ...]:
    """Return the references of the next message: the first one, which opened the thread, and the newest few (RFC 5322 section 3.6.4)."""
    if newest in references:
        return references
    whole = (*references, newest)
    return whole if len(whole) <= _REFERENCES_KEPT else (whole[0], *whole[1 - _REFERENCES_KEPT :])


def compose(
    decision: Decision,
    letters: Letters,
    town: Town,
    *,
    now: datetime,
    references: tuple[str, ...] = (),
    rsvp: bool = False,
) -> Mail:
    """Write the mail of a decision. Raises AddressError for an address that no mail can go to, LookupError for an unknown office.

    `rsvp`: somebody reads replies. A reminder, or whatever else is no news of an appointment, carries no iTIP message: clients would show it as an update.
    """
    snapshot = decision.told.snapshot
    office = town.office(snapshot.office)
    if office is None:
        raise LookupError(f"the town has no office {snapshot.office!r}")
    letter = letters.letter(decision)
    method, calendar = decision.method.value, ""
    purpose = f"{decision.kind.value} {decision.repeat}" if decision.kind is Kind.RESENT else ""
    if not decision.kind.invites:
        method, purpose = "", f"{decision.kind.value} {snapshot.start.isoformat()}"
        if decision.kind is Kind.ACTIVATION:
            # An address that was mistyped and corrected is asked anew.
            purpose += f" {snapshot.email} {decision.repeat}"
    else:
        texts = letters.calendar_texts(decision.told)
        calendar = itip.message(
            decision.method,
            itip.Invitation(
                uid=snapshot.uid,
                sequence=decision.told.sequence,
                start=snapshot.start,
                end=snapshot.end,
                zone=snapshot.zone,
                organizer=itip.Party(mailbox(office.email).address, display_name(town.mail_sender)),
                attendee=itip.Party(mailbox(snapshot.email).address, display_name(snapshot.name)),
                summary=texts.summary,
                description=texts.description,
                location=texts.location,
                url=texts.url,
                rsvp=rsvp,
                agreed=decision.kind is not Kind.PROPOSAL,
            ),
            now=now,
        )
    return Mail(
        message_id=message_id(town.host, snapshot, method, decision.told.sequence, purpose=purpose),
        date=now.replace(microsecond=0),
        sender_name=display_name(town.mail_sender),
        sender=mailbox(office.email).address,
        recipient_name=display_name(snapshot.name),
        recipient=mailbox(snapshot.email).address,
        subject=letter.subject,
        text=as_text(letter),
        html=as_html(letter),
        calendar=calendar,
        method=method,
        references=references,
        language=letter.language,
        emblem=base64.b64encode(letters.emblem).decode("ascii"),
        emblem_id=letter.emblem,
    )


def display_name(text: str) -> str:
    """Return a name as it stands in a header: short, and on one line without signs that aren't printed, like a no-break space."""
    return on_one_line(text, _NAME_LIMIT)


def _charset(body_encoding: int) -> Charset:
    # Flask-Mail changes the global meaning of "utf-8" to unencoded bodies when it's imported; SMTP servers without
    # 8BITMIME (RFC 6152) and lines beyond 998 bytes (RFC 5322 section 2.1.1) don't allow that.
    charset = Charset("utf-8")
    charset.header_encoding = BASE64
    charset.body_encoding = body_encoding
    return charset


def _text_part(text: str, subtype: str, encoding: int) -> MIMEText:
    # MIMEText takes a Charset as well as its name.
    charset: Any = _charset(encoding)
    return MIMEText(text, subtype, charset)


def _with_emblem(alternative: MIMEMultipart, mail: Mail, seed: str) -> MIMEMultipart:
    """The forms of the text, together with the picture that the HTML shows (RFC 2387)."""
    if not mail.emblem:
        return alternative
    # Around all forms, as Exchange builds invitations: programs that look for text/calendar expect it beside the HTML.
    related = MIMEMultipart("related", f"=_r{seed}", type="multipart/alternative")
    related.attach(alternative)
    picture = MIMEImage(base64.b64decode(mail.emblem), "png")
    picture.add_header("Content-ID", f"<{mail.emblem_id}>")
    picture.add_header("Content-Disposition", "inline", filename="emblem.png")
    related.attach(picture)
    return related


class CalendarMessage(flask_mail.Message):
    """A Flask-Mail message with the parts of iMIP, which Flask-Mail's own builder has no place for.

    multipart/mixed( multipart/alternative( text/plain, text/html, text/calendar; method=… ), application/ics ). With an emblem,
    multipart/related( multipart/alternative( … ), image/png ) stands in the place of the multipart/alternative.
    """

    def __init__(self, mail: Mail) -> None:
        super().__init__(
            subject=mail.subject,
            recipients=[mail.recipient],
            body=mail.text,
            html=mail.html,
            sender=mail.sender,
            date=mail.date.timestamp(),
        )
        self.mail = mail
        self.msgId = f"<{mail.message_id}>"

    def has_bad_headers(self) -> bool:
        """True if a line break or another control character in any header's text would start a header of its own."""
        mail = self.mail
        texts = (
            mail.message_id,
            mail.sender_name,
            mail.sender,
            mail.recipient_name,
            mail.recipient,
            mail.subject,
            mail.method,
            mail.language,
            *mail.references,
        )
        return any(not text.isprintable() for text in texts)

    def _message(self) -> MIMEMultipart:
        mail = self.mail
        seed = hashlib.sha256(mail.message_id.encode()).hexdigest()[:24]
        alternative = MIMEMultipart("alternative", f"=_a{seed}")
        alternative.attach(_text_part(mail.text, "plain", QP))
        alternative.attach(_text_part(mail.html, "html", BASE64))
        if mail.calendar:
            calendar = _text_part(mail.calendar, "calendar", BASE64)
            calendar.set_param("method", mail.method)
            calendar.set_param("component", "VEVENT")
            alternative.attach(calendar)
        message = MIMEMultipart("mixed", f"=_m{seed}", policy=_POLICY)
        for name, value in self._headers():
            message[name] = value
        message.attach(_with_emblem(alternative, mail, seed))
        if mail.calendar:
            # Not a second text/calendar: Outlook and Gmail would show the invitation twice.
            attachment = MIMEApplication(mail.calendar.encode(), "ics", name=ATTACHMENT)
            attachment.add_header("Content-Disposition", "attachment", filename=ATTACHMENT)
            message.attach(attachment)
        return message

    def _headers(self) -> list[tuple[str, str]]:
        mail = self.mail
        headers: list[tuple[str, str]] = [
            ("From", _party("From", mail.sender_name, mail.sender)),
            ("To", _party("To", mail.recipient_name, mail.recipient)),
            ("Subject", _encoded("Subject", mail.subject)),
            ("Date", format_datetime(mail.date)),
            ("Message-ID", self.msgId),
        ]
        if mail.references:
            headers += [
                ("In-Reply-To", f"<{mail.references[-1]}>"),
                ("References", "\n ".join(f"<{reference}>" for reference in mail.references)),
            ]
        return [
            *headers,
            ("Auto-Submitted", "auto-generated"),
            ("X-Auto-Response-Suppress", "OOF, AutoReply"),
            ("Content-Language", mail.language),
        ]


def _encoded(header: str, text: str) -> str:
    """Text for an unstructured header, or a display name: folded, beyond ASCII as encoded words (RFC 2047)."""
    return Header(text, None if text.isascii() else _charset(QP), header_name=header).encode()


def _party(header: str, name: str, address: str) -> str:
    if not address.isascii():
        # Such an address stands in the header as raw UTF-8 (RFC 6532); the email package passes on escaped bytes as they are.
        return address.encode().decode("ascii", "surrogateescape")
    if name.isascii():
        return formataddr((name, address))
    return f"{_encoded(header, name)}\n <{address}>"
