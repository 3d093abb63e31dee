"""Where our server differs from what python-caldav expects of one, in its words: its tests adapt to that, and check that it's true.

Everything that isn't named here is declared as fully supported.
"""

from __future__ import annotations

from typing import Any, Final

DECLARED: Final[dict[str, Any]] = {
    # RFC 6638: free/busy only; invitations are left to the clients.
    "scheduling.auto-schedule": {"support": "unsupported"},
    "scheduling.mailbox.inbox-delivery": {"support": "unsupported"},
    "scheduling.schedule-tag": {"support": "unsupported"},
    # More than is expected: a filter needn't say which type of component it's about.
    "search.text.comp-type-optional": {"support": "full"},
    "search.time-range.comp-type-optional": {"support": "full"},
}

_PROXY = "tests the client's proxy, by a header's spelling: it looks for Content-Type, and granian writes content-type"
_INVITING = (
    "wants invitations delivered by the server, which is declared unsupported above; it doesn't look there"
)
LEFT_OUT: Final[dict[str, str]] = {
    "test_caldav.py::TestProxy::testWithProxyParams": _PROXY,
    "test_caldav.py::TestProxy::testWithProxyParamsWithoutScheme": _PROXY,
    "test_caldav.py::TestSchedulingForServertermin::testInviteAndRespond": _INVITING,
    "test_async_integration.py::TestAsyncSchedulingFortermin::test_invite_and_respond": _INVITING,
}
"""Tests that say nothing about a server or ask for what it doesn't claim, and why; they are counted apart."""
