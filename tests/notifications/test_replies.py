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
    ],
)
def test_others_are_not_believed(results):
    assert said(reply(results=results)) is None


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
