"""Uids, tokens and references."""

import re

from hypothesis import given
from hypothesis import strategies as st

from booking_web.booking.tokens import (
    TOKEN_LENGTH,
    derived_uid,
    make_token,
    random_uid,
    read_token,
    reference_of,
)

SECRET = b"s" * 32
OFFICES = ("buergerbuero", "standesamt")


def test_a_random_uid_has_26_characters_and_the_host():
    assert re.fullmatch(r"[a-z2-7]{26}@termin\.example", random_uid("termin.example"))
    assert random_uid("h") != random_uid("h")


def test_a_derived_uid_depends_on_every_part_and_on_the_secret():
    uid = derived_uid(SECRET, "h", "key", "office")
    assert uid == derived_uid(SECRET, "h", "key", "office")
    others = {
        derived_uid(SECRET, "h", "key", "offic", "e"),
        derived_uid(SECRET, "h", "keyoffice"),
        derived_uid(b"t" * 32, "h", "key", "office"),
    }
    assert uid not in others
    assert len(others) == 3


def test_a_token_leads_back_to_its_office_and_uid():
    uid = random_uid("h")
    token = make_token(SECRET, "standesamt", uid)
    assert len(token) == TOKEN_LENGTH
    assert read_token(SECRET, "h", OFFICES, token) == ("standesamt", uid)
    assert read_token(SECRET, "h", ("buergerbuero",), token) is None
    assert read_token(b"t" * 32, "h", OFFICES, token) is None
    assert read_token(SECRET, "other", OFFICES, token) is None


@given(st.integers(0, TOKEN_LENGTH - 1), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_one_changed_character_makes_a_token_worthless(position, character):
    token = make_token(SECRET, "buergerbuero", derived_uid(SECRET, "h", "k"))
    changed = token[:position] + character + token[position + 1 :]
    assert changed == token or read_token(SECRET, "h", OFFICES, changed) is None


@given(st.text(max_size=60))
def test_anything_else_is_no_token(text):
    assert read_token(SECRET, "h", OFFICES, text) is None


def test_a_reference_is_short_stable_and_readable():
    assert re.fullmatch(r"[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}", reference_of(SECRET, "a@h"))
    assert reference_of(SECRET, "a@h") == reference_of(SECRET, "a@h")
    assert reference_of(SECRET, "a@h") != reference_of(SECRET, "b@h")
