"""Mails that come back, as clients and servers write them."""

from __future__ import annotations

from email.message import EmailMessage

from calendar_server.ical.itip import Method
from tests.calendar_server.ical.test_itip import INVITATION, message
from tests.notifications.town import UID
from tests.support.town import NOW

VOUCHING = "mx.stadt.test"
GENUINE = f"{VOUCHING}; dmarc=pass (p=reject) header.from=example.org; spf=pass smtp.mailfrom=example.org"
ERIKA = "erika@example.org"


def calendar(
    partstat: str, *, sequence: int = 0, attendee: str = ERIKA, uid: str = UID, method: str = "REPLY"
) -> str:
    """The calendar part of a reply."""
    text = message(Method.REQUEST, INVITATION, now=NOW).replace("\r\n ", "")
    return (
        text.replace("METHOD:REQUEST", f"METHOD:{method}")
        .replace("UID:a1@test", f"UID:{uid}")
        .replace("SEQUENCE:2", f"SEQUENCE:{sequence}")
        .replace("PARTSTAT=ACCEPTED", f"PARTSTAT={partstat}")
        .replace("mailto:erika@example.org", f"mailto:{attendee}")
    )


def reply(
    partstat: str = "DECLINED",
    *,
    sender: str = ERIKA,
    results: str = GENUINE,
    headers: dict[str, str] | None = None,
    **values,
) -> bytes:
    """A reply as a calendar program sends it; `headers` more of them."""
    mail = EmailMessage()
    if results:
        mail["Authentication-Results"] = results
    mail["From"] = sender
    mail["To"] = "buergerbuero@stadt.test"
    mail["Subject"] = "Abgelehnt: Termin"
    for name, value in (headers or {}).items():
        mail[name] = value
    mail.set_content("Ich komme nicht.")
    given = {"attendee": values.pop("attendee", ERIKA), **values}
    mail.add_alternative(calendar(partstat, **given), subtype="calendar", params={"method": "REPLY"})
    return mail.as_bytes()


def bounce(message_id: str, *, action: str = "failed", status: str = "5.1.1", whole: bool = False) -> bytes:
    """A delivery status notification as Postfix writes it."""
    original = "message/rfc822" if whole else "text/rfc822-headers"
    return f"""\
From: MAILER-DAEMON@mail.test
Auto-Submitted: auto-replied
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"

--=_b
Content-Type: text/plain

I'm sorry to have to inform you

--=_b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.test

Final-Recipient: rfc822; {ERIKA}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 no such
    user

--=_b
Content-Type: {original}

Message-ID: <{message_id}>
Subject: Ihr Termin

--=_b--
""".encode()
