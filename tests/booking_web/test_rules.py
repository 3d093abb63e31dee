"""Durations, choices, what is entered about a person, the search, the checklist: rules without a server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking_web.booking.checklist import checklist
from booking_web.booking.choice import choose, parse_line
from booking_web.booking.durations import duration
from booking_web.booking.errors import FieldError, InvalidError
from booking_web.booking.person import ascii_email, check_person
from booking_web.booking.search import matches, search
from booking_web.language import gettext
from booking_web.messages import _BY_CODE, _BY_FIELD, message_of
from booking_web.town import Document, NeededBy, Service


def service(name="a", **values):
    return replace(Service(name, {"de": name}, minutes=20), **values)


def minutes(*chosen):
    return duration(chosen) // timedelta(minutes=1)


def test_a_further_person_takes_less_than_the_first():
    assert minutes((service(extra_minutes=10), 3)) == 40


def test_several_services_save_their_setup_once():
    a, b = service("a", setup_minutes=5), service("b", setup_minutes=3)
    assert minutes((a, 1), (b, 1)) == 40 - 3 + 3  # 37, rounded up
    assert minutes((a, 1), (b, 1)) == minutes((b, 1), (a, 1))


def test_a_duration_is_rounded_up_to_the_grain():
    assert minutes((service(minutes=11), 1)) == 15


def test_nothing_chosen_has_no_duration():
    with pytest.raises(ValueError, match="at least one"):
        duration([])
    with pytest.raises(ValueError, match="one person"):
        duration([(service(), 0)])


@given(
    st.lists(
        st.tuples(st.integers(1, 90), st.integers(0, 30), st.integers(0, 30), st.integers(1, 9)),
        min_size=1,
        max_size=5,
    )
)
def test_a_further_service_or_person_never_shortens_the_appointment_much(rows):
    chosen = [
        (service(str(at), minutes=length, extra_minutes=extra, setup_minutes=min(setup, length)), persons)
        for at, (length, extra, setup, persons) in enumerate(rows)
    ]
    whole = minutes(*chosen)
    assert whole % 5 == 0
    assert whole >= 5
    assert all(minutes(one) <= whole for one in chosen)


def codes(error):
    return {(each.field, each.code) for each in error.value.errors}


def test_a_choice_is_in_the_offices_order(town):
    choice = choose(town, "buergerbuero", [("beglaubigung", 1), ("reisepass", 2)])
    assert choice.names("de") == ("Reisepass", "Beglaubigung")
    assert choice.query == [
        ("office", "buergerbuero"),
        ("service", "reisepass:2"),
        ("service", "beglaubigung"),
    ]


def test_what_can_be_chosen_at_once_is_limited(town):
    everything = [(name, 1) for name in town.offices[0].services]
    with pytest.raises(InvalidError) as error:
        choose(town, None, everything)
    assert ("service", "too-many-services") in codes(error)
    office = replace(town.offices[0], release=replace(town.offices[0].release, max_minutes=30))
    with pytest.raises(InvalidError) as error:
        choose(replace(town, offices=(office,)), None, [("reisepass", 4)])
    assert codes(error) == {("service", "too-long")}


@pytest.mark.parametrize("text", ["a:", "a:x", "a:-1", "a:1234", "a:²", "a:1:2"])
def test_persons_are_plain_digits(text):
    with pytest.raises(InvalidError):
        parse_line(text)


def person(**values):
    return check_person(**{"name": "Erika Mustermann", "email": "erika@example.org", **values})


@pytest.mark.parametrize(
    "name",
    [
        "Ayşe Müller-Öztürk",
        "Nguyễn Thị Ánh",
        "O’Brien",
        "محمد علی",
        "Олена Шевченко",
        "李小龙",
        "J. R. R. T.",
    ],
)
def test_names_of_all_the_world_are_welcome(name):
    assert person(name=f"  {name} ").name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "1234",
        "a\nb",
        "a\r\nBcc: x",
        "a\x00b",
        "a\u202eb",
        "\ud800",
        "www.evil.example",
        "http://x",
        "a@b.example",
        "<b>x",
        "x" * 101,
    ],
)
def test_names_that_are_none_are_refused(name):
    with pytest.raises(InvalidError) as error:
        person(name=name)
    assert {field for field, _ in codes(error)} == {"name"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a.b+c@Example.ORG", "a.b+c@example.org"),
        ("info@müller.de", "info@xn--mller-kva.de"),
        (" x@example.org ", "x@example.org"),
    ],
)
def test_addresses_get_an_ascii_domain(given, kept):
    assert person(email=given).email == kept


@pytest.mark.parametrize(
    "email",
    [
        "",
        "x",
        "x@",
        "@x.de",
        "x@y",
        "x@1.2.3.4",
        "a b@x.de",
        "a..b@x.de",
        ".a@x.de",
        "a@x..de",
        "a@-x.de",
        "a@x.de,b@y.de",
        "a@x.de\nBcc: b@y.de",
        "jürgen@x.de",
        "\ud800@x.de",
        "a@" + "x" * 250 + ".de",
        "a" * 65 + "@x.de",
    ],
)
def test_addresses_that_are_none_are_refused(email):
    with pytest.raises(InvalidError) as error:
        person(email=email)
    assert {field for field, _ in codes(error)} == {"email"}


@given(st.text(max_size=300))
def test_what_passes_as_an_address_is_plain_ascii_without_spaces(text):
    address = ascii_email(text)
    assert address is None or (
        address.isascii() and not any(c.isspace() for c in address) and address.count("@") == 1
    )


@pytest.mark.parametrize("phone", ["+49 291 205-0", "(0291) 205 0", "0291/2050"])
def test_telephone_numbers_are_written_in_many_ways(phone):
    assert person(phone=phone).phone == phone


@pytest.mark.parametrize("phone", ["1", "call me", "+49 291 205 0" * 5, "0291\n2050", "++49123456"])
def test_what_is_no_telephone_number(phone):
    with pytest.raises(InvalidError):
        person(phone=phone)


def test_a_service_can_ask_for_the_telephone(town):
    choice = choose(town, None, [("reisepass", 1)])
    calling = replace(choice, chosen=((replace(choice.chosen[0][0], needs_phone=True), 1),))
    with pytest.raises(InvalidError) as error:
        person(choice=calling)
    assert codes(error) == {("phone", "required")}


def test_remarks_keep_their_lines_and_nothing_else():
    assert person(remarks="a\r\nb\rc\td ").remarks == "a\nb\nc d"
    for bad in ("x" * 501, "a\x07b", "\x00"):
        with pytest.raises(InvalidError):
            person(remarks=bad)


@given(st.text(), st.text(), st.text(), st.text())
def test_no_entry_makes_it_stumble(name, email, phone, remarks):
    try:
        made = check_person(name=name, email=email, phone=phone, remarks=remarks)
    except InvalidError as refused:
        texts = [message_of(each) for each in refused.errors]
    else:
        texts = [made.name, made.email]
        assert "\n" not in made.name + made.email + made.phone
        assert made.remarks.encode() is not None
    assert all(texts)


def test_every_message_can_be_shown():
    for field, code in _BY_FIELD:
        assert message_of(FieldError(field, code))
    for code, text in _BY_CODE.items():
        limit = 3 if "%(limit)s" in text else None
        assert "%(" not in message_of(FieldError("x", code, limit))
        assert gettext(text) == text


def test_search_knows_everyday_words_spelling_and_endings(town):
    services = town.services
    for query, found in [
        ("umgezogen", "anmeldung"),
        ("Ausweis", "personalausweis"),
        ("FUEHRUNGSZEUGNIS", "fuehrungszeugnis"),
        ("führungs", "fuehrungszeugnis"),
        ("beglaubigen", "beglaubigung"),
    ]:
        assert found in {each.id for each in search(services, query, "de")}, query
    assert search(services, "", "de") == list(services)
    assert search(services, "xyzzy", "de") == []


@given(st.text(max_size=50))
def test_any_search_has_an_answer(query):
    assert matches(service(), query, "de") in {True, False}


def test_the_checklist_names_each_document_once(town):
    choice = choose(town, None, [("reisepass", 2), ("personalausweis", 1)])
    items = checklist(choice)
    photo = [item for item in items if item.document.id == "digitales-foto"]
    assert len(photo) == 1
    assert {each.id for each in photo[0].services} == {"reisepass", "personalausweis"}
    assert photo[0].copies == 2
    needed = [item.document.needed_by is NeededBy.EVERYONE for item in items]
    assert needed == sorted(needed, reverse=True)


def test_one_document_is_enough_for_a_family(town):
    shared = Document("paper", {"de": "Papier"}, per_person=False)
    choice = choose(town, None, [("reisepass", 2)])
    family = replace(choice, chosen=((replace(choice.chosen[0][0], documents=(shared,)), 2),))
    assert [item.copies for item in checklist(family)] == [1]
