"""Headers that every answer carries: a content security policy with nothing inline and no third party, and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import g, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask, Response

_POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "font-src": "'self'",
    # KERN's icons are data: images within its style sheet.
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # A token in the path must not leave the site with the address of the page that links away.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def _text(policy: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}".rstrip() for name, value in policy.items())


_COMMON = _text(_POLICY)


def install(app: Flask) -> None:
    """Add the headers to every answer of `app`; what isn't said to be cacheable isn't kept by anybody.

    A view may say in `flask.g`: `embeddable` (anybody may frame it), `frames` (it frames pages of its own), `policy` (one of its own).
    """

    @app.after_request
    def harden(response: Response) -> Response:
        policy, fixed = g.get("policy", _POLICY), _FIXED
        if g.get("frames", False):
            policy = {**policy, "frame-src": "'self'"}
        if g.get("embeddable", False):
            policy = {**policy, "frame-ancestors": "*"}
            fixed = {**_FIXED, "Cross-Origin-Resource-Policy": "cross-origin"}
            del fixed["X-Frame-Options"]
        response.headers["Content-Security-Policy"] = _COMMON if policy is _POLICY else _text(policy)
        for name, value in fixed.items():
            response.headers.setdefault(name, value)
        if request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        response.headers.setdefault("Cache-Control", "no-store")
        return response
