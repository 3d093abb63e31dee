"""The MIME message, read back by the standard library's parser."""

from __future__ import annotations

import email
import re
from dataclasses import replace
from datetime import timedelta
from email import policy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from booking_web.notifications.addresses import AddressError
from booking_web.notifications.letters import Letters
from booking_web.notifications.mails import Mail, compose, thread
from booking_web.notifications.told import Decision, Kind, Snapshot, Told
from booking_web.town import Looks
from tests.notifications.town import SECRET, UID, town
from tests.support.town import NOW, appointment

LETTERS = Letters(town(), SECRET)


def decision(kind: Kind = Kind.CONFIRMATION, sequence: int = 0, **values) -> Decision:
    seen = replace(Snapshot.of(appointment(UID), "buergerbuero"), **values)
    return Decision(kind, Told(seen, sequence, cancelled=kind is Kind.CANCELLED))


def mail(kind: Kind = Kind.CONFIRMATION, sequence: int = 0, **values) -> Mail:
    return compose(decision(kind, sequence, **values), LETTERS, town(), now=NOW)


def parsed(value: Mail):
    return email.message_from_bytes(value.message().as_bytes(), policy=policy.default)


def test_the_parts_and_their_order():
    message = parsed(mail())
    assert message.get_content_type() == "multipart/mixed"
    alternative, attachment = message.iter_parts()
    assert [part.get_content_type() for part in alternative.iter_parts()] == [
        "text/plain",
        "text/html",
        "text/calendar",
    ]
    assert attachment.get_filename() == "termin.ics"
    assert attachment.get_content_disposition() == "attachment"
    calendar = list(alternative.iter_parts())[-1]
    assert calendar.get_param("method") == "REQUEST"
    assert calendar.get_content_charset() == "utf-8"
    assert Calendar.from_ical(calendar.get_content())["METHOD"] == "REQUEST"
    assert attachment.get_content() == calendar.get_payload(decode=True)


PNG = b"\x89PNG\r\n\x1a\n emblem"


def test_the_towns_emblem_travels_with_the_mail(tmp_path):
    file = tmp_path / "emblem.png"
    file.write_bytes(PNG)
    made = town(looks=Looks(mail_emblem=file))
    written = compose(decision(), Letters(made, SECRET), made, now=NOW)
    related, _ = parsed(written).iter_parts()
    assert related.get_content_type() == "multipart/related"
    alternative, picture = related.iter_parts()
    plain, html, calendar = alternative.iter_parts()
    assert (plain.get_content_type(), calendar.get_content_type()) == ("text/plain", "text/calendar")
    assert (picture.get_content(), picture.get_content_type()) == (PNG, "image/png")
    assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in html.get_content()
    assert picture.get_content_disposition() == "inline"
    assert "cid:" not in written.html_alone()
    file.unlink()
    assert Mail.from_json(written.to_json()).message().as_bytes() == written.message().as_bytes()


def test_without_an_emblem_there_is_no_picture():
    assert not [part for part in parsed(mail()).walk() if part.get_content_maintype() == "image"]
    assert "<img" not in mail().html


def test_a_cancellation_says_so_in_both_places():
    calendar = next(p for p in parsed(mail(Kind.CANCELLED)).walk() if p.get_content_type() == "text/calendar")
    assert calendar.get_param("method") == "CANCEL"
    assert Calendar.from_ical(calendar.get_content())["METHOD"] == "CANCEL"


def test_a_town_whose_name_has_a_no_break_space_can_send():
    made = town(mail_sender="Stadt\N{NO-BREAK SPACE}Meschede")
    written = compose(decision(), Letters(made, SECRET), made, now=NOW)
    assert not written.message().has_bad_headers()
    assert parsed(written)["From"].addresses[0].display_name == "Stadt Meschede"
    event = Calendar.from_ical(written.calendar).walk("VEVENT")[0]
    assert event["ORGANIZER"].params["CN"] == "Stadt Meschede"


def test_the_sender_is_the_organizer_and_the_recipient_the_attendee():
    message = parsed(mail())
    event = Calendar.from_ical(mail().calendar).walk("VEVENT")[0]
    assert str(event["ORGANIZER"]) == f"mailto:{message['From'].addresses[0].addr_spec}"
    assert str(event["ATTENDEE"]) == f"mailto:{message['To'].addresses[0].addr_spec}"


def test_headers_of_an_automatic_mail():
    message = parsed(mail())
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW
    assert not [name for name in message if name.lower().startswith("list-")]
    assert "In-Reply-To" not in message


def test_a_reminder_is_no_update():
    message = parsed(mail(Kind.REMINDER))
    assert "text/calendar" not in [part.get_content_type() for part in message.walk()]
    assert list(message.iter_attachments()) == []


def test_the_message_id_is_stable_and_differs_where_the_message_does():
    assert mail().message_id == replace(mail(), date=NOW + timedelta(days=1)).message_id
    later = compose(decision(), LETTERS, town(), now=NOW + timedelta(hours=1))
    assert mail().message_id == later.message_id
    ids = {
        mail().message_id,
        mail(sequence=1).message_id,
        mail(Kind.CANCELLED).message_id,
        mail(Kind.REMINDER).message_id,
        mail(uid="z" * 26 + "@termin.test").message_id,
    }
    assert len(ids) == 5
    assert all(UID.partition("@")[0] not in one for one in ids)


def test_a_repeat_is_the_very_same_message():
    kept = Mail.from_json(mail().to_json())
    assert kept == mail()
    assert kept.message().as_bytes() == mail().message().as_bytes()


def test_threads_begin_with_the_first_mail_and_stay_short():
    references: tuple[str, ...] = ()
    for number in range(20):
        references = thread(references, f"{number}@x")
    assert references[0] == "0@x"
    assert references[-1] == "19@x"
    assert len(references) == 6
    assert thread(references, "19@x") == references


def test_an_answer_names_the_thread():
    message = parsed(compose(decision(), LETTERS, town(), now=NOW, references=("a@x", "b@x")))
    assert message["In-Reply-To"] == "<b@x>"
    assert message["References"] == "<a@x> <b@x>"


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=80),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
)
def test_any_name_makes_a_message_that_every_server_takes(name, location):
    value = mail(name=name, location=location)
    assert not value.message().has_bad_headers()
    raw = value.message().as_bytes()
    assert raw.isascii()
    assert re.search(rb"(?<!\r)\n", raw) is None
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    headers = raw.partition(b"\r\n\r\n")[0]
    assert all(re.match(rb"[A-Za-z-]+: ?\S|[ \t]\S", line) for line in headers.split(b"\r\n"))
    message = email.message_from_bytes(raw, policy=policy.default)
    assert [one.addr_spec for one in message["To"].addresses] == ["erika@example.org"]


@pytest.mark.parametrize("letter", ["A", '"', "A ", "ü", "م", "\N{WAVING HAND SIGN}"])
def test_a_name_without_end_fits_into_a_line(letter):
    value = mail(name=letter * 3_000, location=letter * 3_000)
    raw = value.message().as_bytes()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert max(len(line) for line in value.calendar.encode().split(b"\r\n")) <= 75
    assert [one.addr_spec for one in parsed(value)["To"].addresses] == ["erika@example.org"]


@pytest.mark.parametrize(
    "name", ['Muster, Erika "die Große"', "Erika <x@example.com>", "Müller, Jürgen; (B)"]
)
def test_names_with_signs_of_addresses_stay_names(name):
    [party] = parsed(mail(name=name))["To"].addresses
    assert (party.display_name, party.addr_spec) == (name, "erika@example.org")


@pytest.mark.parametrize(
    "field", ["subject", "sender_name", "recipient_name", "sender", "recipient", "message_id", "method"]
)
@pytest.mark.parametrize("breaking", ["\n", "\r", "\r\nBcc: x@example.org", "\u2028", "\x00"])
def test_line_breaks_in_headers_are_seen(field, breaking):
    value = replace(mail(), **{field: getattr(mail(), field) + breaking})
    assert value.message().has_bad_headers()


def test_an_umlaut_domain_is_written_in_ascii():
    value = mail(email="erika@müller.de")
    assert value.recipient == "erika@xn--mller-kva.de"
    assert "mailto:erika@xn--mller-kva.de" in value.calendar.replace("\r\n ", "")


def test_an_umlaut_before_the_at_stands_in_the_header_as_utf8():
    raw = mail(email="jürgen@example.org", name="Jürgen").message().as_bytes()
    assert "\r\nTo: jürgen@example.org\r\n".encode() in raw


def test_no_mail_without_an_address():
    with pytest.raises(AddressError):
        mail(email="erika@localhost")
