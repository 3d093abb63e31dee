from __future__ import annotations

import pytest

from booking_web.notifications.addresses import AddressError, mailbox


@pytest.mark.parametrize(
    ("text", "address", "needs_smtputf8"),
    [
        ("erika@example.org", "erika@example.org", False),
        (" erika@Example.ORG ", "erika@example.org", False),
        ("o'neil+termin@example.org", "o'neil+termin@example.org", False),
        ("erika@müller.de", "erika@xn--mller-kva.de", False),
        ("erika@straße.de", "erika@xn--strae-oqa.de", False),
        ("jürgen@müller.de", "jürgen@xn--mller-kva.de", True),
    ],
)
def test_addresses_for_an_envelope(text, address, needs_smtputf8):
    found = mailbox(text)
    assert (found.address, found.needs_smtputf8) == (address, needs_smtputf8)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "erika",
        "@example.org",
        "erika@",
        "erika@localhost",
        "a b@example.org",
        "a@example.org, b@example.org",
        "a@example.org\r\nBcc: b@example.org",
        "Erika <erika@example.org>",
        "a@exa mple.org",
        "a..b@example.org",
        ".a@example.org",
        "a@-example.org",
        "a@example..org",
        "a" * 65 + "@example.org",
        "a@" + "b" * 60 + "." + "c" * 250 + ".org",
        "a\x00@example.org",
        "a\u2028b@example.org",
    ],
)
def test_what_is_no_address(text):
    with pytest.raises(AddressError) as error:
        mailbox(text)
    assert text.strip() == "" or text not in str(error.value)
