"""Style sheets, fonts and scripts, read once and served from memory under a path that changes with their content."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Response, abort, request

if TYPE_CHECKING:
    from collections.abc import Mapping

STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".png": "image/png",
    ".ico": "image/x-icon",
}
_COMPRESSED = frozenset({"text/css", "text/javascript", "image/svg+xml"})


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    compressed: bytes | None
    mimetype: str


def _asset(name: str, content: bytes) -> _Asset:
    mimetype = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    compressed = gzip.compress(content, mtime=0) if mimetype in _COMPRESSED else None
    return _Asset(content, compressed, mimetype)


class Assets:
    """All static files and what is generated at the start (`extra`: name to content)."""

    def __init__(self, extra: Mapping[str, bytes]) -> None:
        contents = {
            path.relative_to(STATIC).as_posix(): path.read_bytes()
            for path in sorted(STATIC.rglob("*"))
            if path.suffix in _TYPES
        }
        contents.update(extra)
        digest = hashlib.sha256()
        for name in sorted(contents):
            digest.update(name.encode() + b"\0" + contents[name])
        self.version = digest.hexdigest()[:12]
        self._assets = {name: _asset(name, content) for name, content in contents.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._assets

    def respond(self, version: str, name: str) -> Response:
        """Answer with a file; 404 for an unknown one. A path with the present version may be kept for ever."""
        asset = self._assets.get(name)
        if asset is None:
            abort(404)
        if asset.compressed is not None and request.accept_encodings["gzip"] > 0:
            response = Response(asset.compressed, mimetype=asset.mimetype)
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = Response(asset.content, mimetype=asset.mimetype)
        if asset.compressed is not None:
            response.headers["Vary"] = "Accept-Encoding"
        lasting = "public, max-age=31536000, immutable"
        response.headers["Cache-Control"] = lasting if version == self.version else "no-cache"
        return response
