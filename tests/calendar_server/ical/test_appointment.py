"""An appointment as a value and as stored text: what goes in comes out."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from calendar_server.ical.appointment import from_ical, to_ical
from tests.support.town import BERLIN, NOW, appointment

TEXT = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]) | st.sampled_from('\n\\;,:"n'), min_size=1
).map(str.strip)


@given(TEXT, TEXT, TEXT)
def test_any_name_remark_and_phone_survive(name, remarks, phone):
    made = replace(appointment(), name=name, remarks=remarks, phone=phone, description=remarks)
    read = from_ical(to_ical(made, now=NOW), BERLIN)
    assert (read.name, read.remarks, read.phone) == (name, remarks, phone)
    assert read.description == remarks
