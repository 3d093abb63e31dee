"""Problem documents (RFC 9457): `type` is a URN, `code` its last part, `detail` a sentence in the reader's language."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, json

MEDIA_TYPE = "application/problem+json"


def problem(status: int, code: str, detail: str, **members: Any) -> Response:
    """Return the answer for a problem; `members` are added to the document (`errors`, `nearest`)."""
    document = {
        "type": f"urn:termin:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **members,
    }
    return Response(json.dumps(document), status=status, mimetype=MEDIA_TYPE)
