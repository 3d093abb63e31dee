"""Proof of work, in the form of altcha's first protocol: a browser searches a number, which takes it a moment, and a robot the same for each booking.

A challenge is signed and says what it's for and until when it counts; so nothing is kept here. That a solution counts once only is the
calendar server's to see to (`calendar_server.fairness`), in the transaction that books. How hard challenges are follows how many solutions came
lately, from everybody and from the same network: a family notices nothing, and who books in stock pays more each time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from booking_web.booking.tokens import keyed_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

ALGORITHM = "SHA-256"
EASIEST = 100_000
"""The number lies below it; half of it are tried on average. A telephone needs less than a second."""
HARDEST = 40 * EASIEST
VALID_SECONDS = 3_600
_WINDOW_SECONDS = 600
_EVERYBODY = 200
"""So many solutions within the window double what everybody pays."""
_PAYLOAD_LIMIT = 2_000
_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Proof:
    """A good solution: what identifies it, and until when it counts (epoch seconds)."""

    id: str
    until: int


class Proofs:
    """Makes challenges and checks their solutions. `now` returns an aware datetime. Safe to share between threads."""

    def __init__(self, secret: bytes, now: Callable[[], datetime], easiest: int = EASIEST) -> None:
        self._key = keyed_digest(secret, "proof")
        self._now = now
        self._easiest = easiest
        self._lately: deque[tuple[int, str]] = deque(maxlen=_REMEMBERED)
        self._guard = threading.Lock()

    def _seconds(self) -> int:
        return int(self._now().timestamp())

    def difficulty(self, network: str) -> int:
        """Return below which number the next challenge's solution lies: doubled for each further solution of this network lately."""
        with self._guard:
            since = self._seconds() - _WINDOW_SECONDS
            while self._lately and self._lately[0][0] < since:
                self._lately.popleft()
            own = sum(1 for _, other in self._lately if network and other == network)
            everybody = len(self._lately)
        doublings = min(own // 2 + everybody // _EVERYBODY, 10)
        return min(self._easiest << doublings, max(HARDEST, self._easiest))

    def challenge(self, purpose: str, network: str = "") -> dict[str, Any]:
        """Return a challenge as altcha's clients take it; its solution counts for `purpose` only."""
        until = self._seconds() + VALID_SECONDS
        most = self.difficulty(network)
        # The separator at the end keeps digits from being moved between salt and number.
        salt = f"{secrets.token_hex(12)}?{urlencode({'expires': until, 'for': purpose})}&"
        digest = hashlib.sha256(f"{salt}{secrets.randbelow(most)}".encode()).hexdigest()
        return {
            "algorithm": ALGORITHM,
            "challenge": digest,
            "salt": salt,
            "signature": self._sign(digest),
            "maxnumber": most,
        }

    def _sign(self, digest: str) -> str:
        return hmac.new(self._key, digest.encode(), hashlib.sha256).hexdigest()

    def check(self, payload: str, purpose: str, network: str = "") -> Proof | None:
        """Return the proof in a payload (altcha's: JSON in base64); None if it isn't one, is too old, or is for something else."""
        found = _read(payload)
        if found is None:
            return None
        salt, number, digest, signature = found
        query = parse_qs(salt.partition("?")[2])
        until = query.get("expires", ["0"])[0]
        good = (
            hmac.compare_digest(self._sign(digest), signature)
            and hmac.compare_digest(hashlib.sha256(f"{salt}{number}".encode()).hexdigest(), digest)
            and salt.endswith("&")
            and query.get("for") == [purpose]
            and self._seconds() < int(until)
        )
        if not good:
            return None
        with self._guard:
            self._lately.append((self._seconds(), network))
        return Proof(hashlib.sha256(signature.encode()).hexdigest(), int(until))


def _read(payload: str) -> tuple[str, int, str, str] | None:
    if not payload or len(payload) > _PAYLOAD_LIMIT:
        return None
    try:
        fields = json.loads(base64.b64decode(payload, validate=True))
        texts = [fields[name] for name in ("salt", "challenge", "signature", "algorithm")]
        number = fields["number"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(isinstance(text, str) and text.isascii() for text in texts) or type(number) is not int:
        return None
    salt, digest, signature, algorithm = texts
    return (salt, number, digest, signature) if algorithm == ALGORITHM else None
