"""What comes back, and what is believed of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_web.notifications.replies import Answer, Bounce, Counter, Partstat, read
from tests.notifications.answering import ERIKA, GENUINE, VOUCHING, bounce, reply
from tests.notifications.town import UID
from tests.support.town import NOW


def said(raw: bytes):
    return read(raw, vouching=VOUCHING)


@pytest.mark.parametrize("partstat", list(Partstat))
def test_an_answer(partstat):
    assert said(reply(partstat.value)) == Answer(UID, 0, ERIKA, partstat, NOW)


def test_the_proposal_of_another_time():
    assert said(reply("TENTATIVE", method="COUNTER")) == Counter(UID, 0, ERIKA)
    assert said(reply("TENTATIVE", method="COUNTER", results="")) is None


@pytest.mark.parametrize(
    "results",
    [
        GENUINE,
        f"{VOUCHING}; dkim=pass header.d=example.org header.s=x",
        f"{VOUCHING} 1; spf=fail; dmarc=pass header.from=EXAMPLE.org",
        f"{VOUCHING}; dkim=pass header.i=@example.org header.s=x",
        f"{VOUCHING}; dmarc=pass (policy (strict) kept) header.from = example.org",
        f'"{VOUCHING}"; spf=pass smtp.mailfrom="a (b;"@example.org; dmarc=pass header.from="example.org"',
    ],
)
def test_who_is_vouched_for_is_believed(results):
    assert said(reply(results=results)) is not None


@pytest.mark.parametrize(
    "results",
    [
        "",
        "mx.elsewhere.test; dmarc=pass header.from=example.org",
        f"{VOUCHING}; none",
        f"{VOUCHING}; dmarc=fail header.from=example.org",
        f"{VOUCHING}; dmarc=none (dmarc=pass) header.from=example.org",
        f"{VOUCHING}; dmarc=pass header.from=evil.test",
        f"{VOUCHING}; dkim=pass header.d=evil.test",
        f"{VOUCHING}; dkim=pass header.d=ample.org",
        f"{VOUCHING}; spf=pass smtp.mailfrom=example.org",
        f"{VOUCHING}.evil.test; dmarc=pass header.from=example.org",
        f"{VOUCHING}; dmarc=fail (by (a) dmarc=pass header.from=example.org) header.from=example.org",
        f'{VOUCHING}; spf=pass smtp.mailfrom="a; dmarc=pass header.from=example.org "@evil.test',
        f"{VOUCHING}; dmarc=fail dmarc=pass header.from=example.org",
        f"{VOUCHING}; dkim=pass header.d=org",
        f"{VOUCHING}; dkim=pass header.i=@evil.test",
        f"{VOUCHING} (; dmarc=pass header.from=example.org",
    ],
)
def test_others_are_not_believed(results):
    assert said(reply(results=results)) is None


def test_what_somebody_sends_by_a_click_in_google_calendar_is_no_automatic_answer():
    headers = {
        "Auto-Submitted": "auto-generated",
        "Sender": "Google Calendar <calendar-notification@google.com>",
    }
    assert said(reply(headers=headers)) is not None


def test_a_program_may_escape_the_address_as_our_invitation_does():
    umlaut = said(reply(attendee="J%C3%BCrgen@example.org", sender="jürgen@example.org"))
    assert umlaut == Answer(UID, 0, "jürgen@example.org", Partstat.DECLINED, NOW)


def test_only_the_topmost_word_of_our_server_counts():
    forged = b"Authentication-Results: " + GENUINE.encode() + b"\n"
    genuine = f"Authentication-Results: {VOUCHING}; dmarc=fail header.from=example.org\n".encode()
    assert said(genuine + forged + reply(results="")) is None
    assert said(forged + genuine + reply(results="")) is not None


@pytest.mark.parametrize(
    "values",
    [
        {"attendee": "max@example.org"},
        {"sender": f"{ERIKA}, max@example.org"},
        {"headers": {"Auto-Submitted": "auto-replied"}},
        {"headers": {"Precedence": "bulk"}},
        {"method": "REQUEST"},
        {"partstat": "NEEDS-ACTION"},
        {"partstat": "DELEGATED"},
    ],
)
def test_what_is_no_answer(values):
    assert said(reply(**values)) is None


@pytest.mark.parametrize("whole", [True, False])
def test_a_bounce(whole):
    assert said(bounce("abc@termin.test", whole=whole)) == Bounce(
        "abc@termin.test", "5.1.1 smtp; 550 5.1.1 no such user"
    )


def test_a_server_that_gave_up_after_days():
    found = said(bounce("abc@termin.test", status="4.4.1"))
    assert found is not None
    assert found.error.startswith("4.4.1")


WITHOUT_ORIGINAL = (
    bounce("x@termin.test").partition(b"--=_b\nContent-Type: text/rfc822-headers")[0] + b"--=_b--\n"
)


@pytest.mark.parametrize(
    "raw",
    [
        WITHOUT_ORIGINAL.replace(b"Reporting-MTA", b"Original-Envelope-Id: abc@termin.test\nReporting-MTA"),
        b"In-Reply-To: <abc@termin.test>\n" + WITHOUT_ORIGINAL,
    ],
    ids=["envelope", "reply"],
)
def test_a_bounce_that_brings_nothing_of_the_mail_back(raw):
    assert said(WITHOUT_ORIGINAL) is None
    assert said(raw) == Bounce("abc@termin.test", "5.1.1 smtp; 550 5.1.1 no such user")


def test_a_bounce_of_a_mail_to_an_address_with_umlauts():
    """RFC 6533, which the email package doesn't know."""
    raw = bounce("abc@termin.test").replace(b"message/delivery-status", b"message/global-delivery-status")
    raw = raw.replace(b"text/rfc822-headers", b"message/global-headers")
    assert said(raw) == Bounce("abc@termin.test", "5.1.1 smtp; 550 5.1.1 no such user")


def test_what_a_strange_server_says_can_be_kept():
    found = said(bounce("abc@termin.test").replace(b"no such", b"\x00 \xff"))
    assert found is not None
    assert found.error.isprintable()
    assert said(bounce("a\x00bc@termin.test")) is None
    assert said(reply(uid="a\x00b")) is None


@pytest.mark.parametrize(
    "values", [{"action": "delayed", "status": "4.4.1"}, {"action": "delivered", "status": "2.0.0"}]
)
def test_a_delay_is_no_bounce(values):
    assert said(bounce("abc@termin.test", **values)) is None


def test_an_ordinary_mail_says_nothing():
    assert said(b"From: a@example.org\nSubject: Hallo\n\nGuten Tag") is None
    assert said(b"x" * 1_000_001) is None


@given(st.binary(max_size=400), st.integers(0, 3000), st.sampled_from([reply(), bounce("abc@termin.test")]))
def test_nothing_that_anybody_sends_breaks_the_reader(noise, place, good):
    said(noise)
    said(good[:place] + noise + good[place + len(noise) :])
    said(good[:place])


@pytest.mark.parametrize(
    "hostile",
    [
        reply(sender="x").replace(b"From: x", b"From: " + b"(" * 3_000),
        reply(headers={"X-Before": "x"}) + b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 9,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3_000)),
        b"Content-Type: message/rfc822\n\n" * 20_000,
    ],
    ids=["comments", "repeated", "nested", "enclosed"],
)
def test_what_is_too_deep_for_the_parsers_is_passed_over(hostile):
    said(hostile)


@pytest.mark.parametrize("name", ["From", "Content-Type", "Authentication-Results"])
@pytest.mark.parametrize("fold", [b"", b"\n ", b"\r\t"])
def test_headers_that_would_take_long_to_parse_are_not(name, fold):
    long = name.encode() + b": " + (b'"' * 50 + fold) * 100
    assert len(long) > 5_000
    assert said(long + b"\n" + reply()) is None
    assert said(reply()) is not None
