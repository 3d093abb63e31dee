"""A bot with a thousand addresses against the running site: it solves every riddle, and holds no more than the set share of a day."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import requests
from werkzeug.middleware.proxy_fix import ProxyFix

from booking_web.settings import Activation, Protection
from booking_web.site import site_of
from calendar_server.limits import Limits
from tests.booking_web.conftest import world
from tests.support.servers import serving

WAVE = 100
DAY = "2026-12-07"
ROOM = timedelta(hours=26)
"""The demo town's clerks together, inside the window of that Monday."""
LIMITS = Limits(per_address=3, per_network_hour=60, network_percent=20, unconfirmed_percent=50)
AT_ONCE = 6


def solve(challenge) -> str:
    for number in range(challenge["maxnumber"] + 1):
        if hashlib.sha256(f"{challenge['salt']}{number}".encode()).hexdigest() == challenge["challenge"]:
            solved = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")}
            return base64.b64encode(json.dumps({**solved, "number": number}).encode()).decode()
    raise AssertionError("no number solves it")


class Bot:
    """Sends from one of its networks, as a proxy tells it."""

    def __init__(self, url: str, *, solves: bool) -> None:
        self.api = f"{url}/api/v1"
        self.solves = solves
        self._mine = threading.local()
        self.sessions: list[requests.Session] = []

    def ask(self, method: str, path: str, network: int, body=None) -> requests.Response:
        if not hasattr(self._mine, "session"):
            self._mine.session = requests.Session()
            self.sessions.append(self._mine.session)
        headers = {"X-Forwarded-For": f"198.51.{network}.{network + 7}"}
        return self._mine.session.request(
            method, f"{self.api}/{path}", json=body, headers=headers, timeout=30
        )

    def starts(self) -> list[str]:
        query = f"offers?service=meldebescheinigung&from={DAY}&to={DAY}"
        days = self.ask("GET", query, 0).json()["days"]
        return days[0]["starts"] if days else []

    def book(self, number: int, network: int, start: str) -> int:
        body = {
            "office": "buergerbuero",
            "services": [{"id": "meldebescheinigung"}],
            "start": start,
            "name": "Max Muster",
            "email": f"bot{number}@catch-all.example",
        }
        if self.solves:
            body["altcha"] = solve(self.ask("GET", "challenge", network).json())
        answer = self.ask("POST", "appointments", network, body)
        assert answer.status_code in {201, 409, 429}, answer.text
        return answer.status_code

    def wave(self, pool: ThreadPoolExecutor, numbers: range, networks: int) -> list[int]:
        starts = self.starts()
        if not starts:
            return []
        tries = [(number, number % networks, starts[number % len(starts)]) for number in numbers]
        return list(pool.map(lambda one: self.book(*one), tries))


@contextmanager
def attacked(town, directory, folder, activation):
    # The riddles of one attack are enough: solving them is no hindrance for a bot with time.
    protection = Protection(proof_of_work=activation is Activation.WITHOUT_PROOF, activation=activation)
    with world(town, directory, folder, LIMITS, protection=protection) as made:
        site_of(made.app).proofs._easiest = 4
        # As behind a proxy that the site is told to trust.
        with serving(ProxyFix(made.app, x_for=1)) as url:
            bot = Bot(url, solves=protection.proof_of_work)
            yield made, bot
            for session in bot.sessions:
                session.close()


def held(made) -> timedelta:
    """What the bot has of the day now."""
    client = made.calendar.client("lead")
    snapshot = client.snapshot("buergerbuero", *(datetime.fromisoformat(DAY).date(),) * 2)
    return timedelta(minutes=5 * sum(each["length"] for each in snapshot["booked"]))


@dataclass(frozen=True)
class Attack:
    addresses: int
    networks: int
    activation: Activation
    percent: int


@pytest.mark.parametrize(
    "attack",
    [
        Attack(1_000, 1, Activation.NEVER, 20),
        Attack(300, 2, Activation.WITHOUT_PROOF, 40),
        Attack(1_000, 20, Activation.ALWAYS, 50),
    ],
    ids=["one network", "two networks", "twenty networks, nobody confirms"],
)
def test_it_holds_at_most_the_set_share(town, directory, tmp_path, attack):
    addresses, networks = attack.addresses, attack.networks
    with (
        attacked(town, directory, tmp_path, attack.activation) as (made, bot),
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        most, answers = timedelta(0), []
        for first in range(0, addresses, WAVE):
            answers += bot.wave(pool, range(first, first + WAVE), networks)
            most = max(most, held(made))
            made.clock.advance(minutes=30)
        assert len(answers) == addresses, "there was always something left to try"
        assert answers.count(429) > addresses / 4
        assert timedelta(0) < most <= ROOM * attack.percent / 100
        assert most > ROOM * (attack.percent - 10) / 100, "the limits stopped it, and nothing else did"
        # Somebody who wants one appointment gets it.
        assert bot.book(addresses, 99, bot.starts()[0]) == 201
