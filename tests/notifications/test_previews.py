from __future__ import annotations

import re

import pytest

from booking_web.booking.tokens import read_token
from booking_web.notifications.previews import previews
from booking_web.notifications.told import Kind
from tests.notifications.town import HOST, SECRET, town
from tests.support.town import NOW


@pytest.fixture(scope="module")
def shown():
    return previews(town(), town().offices[0], NOW)


def test_every_kind_in_every_language(shown):
    assert {(one.kind, one.language) for one in shown} == {
        (kind, language) for kind in Kind if kind is not Kind.FEEDBACK for language in town().languages
    }


def test_each_can_be_sent_and_differs_from_the_others(shown):
    texts = {one.mail.text for one in shown}
    assert len(texts) == len(shown) == 2 * (len(Kind) - 1 + 6)
    for one in shown:
        assert not one.mail.message().has_bad_headers()
        shown_day = "8. Dezember 2026" in one.mail.text or "8 December 2026" in one.mail.text
        assert shown_day
        if not one.kind.is_of_waiting:
            assert " 9:00" in one.mail.text


def test_another_room_has_previews_of_its_own(shown):
    rooms = {one.name: one.mail for one in shown if one.room and one.language == "de"}
    assert set(rooms) == {"moved-room-alone", "moved-room-too"}
    assert all("Raum 2.14" in mail.text for mail in rooms.values())
    assert "8:00 Uhr" not in rooms["moved-room-alone"].text
    assert "8:00 Uhr" in rooms["moved-room-too"].text


def test_a_previews_link_opens_nothing(shown):
    links = {
        re.search(r"/termin/([^/]+)", line)[1]
        for one in shown
        for line in one.mail.text.splitlines()
        if line.startswith("https://") and "?" not in line
    }
    assert links
    assert all(read_token(SECRET, HOST, ["buergerbuero"], link) is None for link in links)
