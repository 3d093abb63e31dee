"""Release rules in a town's files: what they become, and that a mistake names its file, key and reason."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

import pytest

from config import compose
from optimizer.release import Limits, Release, Stage

if TYPE_CHECKING:
    from tests.config.conftest import Folder

OFFICES, SERVICES, SERVER = "offices.toml", "services.toml", "server.toml"
HORIZON = "horizon_days = 60\n"
RULES = """horizon_days = 60
at = "07:00"
shares = [
    { days_before = 60, percent = 60 },
    { days_before = 7, percent = 90 },
    { days_before = 0, percent = 100 },
]
returned = { after_minutes = 15, until_minutes = 120 }
"""


def test_site_and_calendar_server_get_the_same_rules(folder: Folder) -> None:
    folder.replace(OFFICES, HORIZON, RULES)
    folder.replace(
        SERVICES,
        'id = "reisepass"\n',
        'id = "reisepass"\nrelease = { horizon_days = 30, minimum_notice_minutes = 1440 }\n',
    )
    settings = folder.load()
    rule = compose.town(settings).offices[0].release.public
    assert rule == Release(
        horizon_days=60,
        minimum_notice_minutes=60,
        at=time(7),
        stages=(Stage(60, 60), Stage(7, 90), Stage(0, 100)),
        services={"reisepass": Limits(30, 1440)},
        return_after=15,
        return_until=120,
    )
    assert compose.directory(settings).offices[0].release == rule


def test_without_rules_all_is_released_at_once(folder: Folder) -> None:
    rule = compose.town(folder.load()).offices[0].release.public
    assert (rule.staged, rule.return_until, rule.at) == (False, 0, time())


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        (
            "shares = [{ days_before = 7, percent = 60 }, { days_before = 7, percent = 90 }]\n",
            "shares must stand in their order: after 60 % from 7 days before on, 90 % from 7 days before on can't follow",
        ),
        (
            "shares = [{ days_before = 7, percent = 60 }, { days_before = 3, percent = 60 }]\n",
            "shares must stand in their order: after 60 % from 7 days before on, 60 % from 3 days before on can't follow",
        ),
        (
            "shares = [{ days_before = 90, percent = 60 }]\n",
            "the first share begins 90 days before, but the horizon is 60 days",
        ),
    ],
)
def test_shares_that_cant_be(folder: Folder, line: str, mistake: str) -> None:
    folder.replace(OFFICES, HORIZON, HORIZON + line)
    assert folder.mistakes() == [f"offices.toml: offices[0 buergerbuero].release: {mistake}"]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("shares = [{ days_before = 7, percent = 0 }]\n", "shares[0].percent"),
        ("shares = [{ days_before = 7, percent = 101 }]\n", "shares[0].percent"),
        ("shares = [{ days_before = -1, percent = 50 }]\n", "shares[0].days_before"),
        ('at = "7 Uhr"\n', "at"),
        ("returned = { after_minutes = 30, until_minutes = 20 }\n", "returned"),
        ("max_group = 9\n", "max_group"),
    ],
)
def test_a_mistake_names_its_key(folder: Folder, line: str, key: str) -> None:
    if key == "max_group":
        folder.replace(OFFICES, "max_group = 6\n", "")
    folder.replace(OFFICES, HORIZON, HORIZON + line)
    (mistake,) = folder.mistakes()
    assert mistake.startswith(f"offices.toml: offices[0 buergerbuero].release.{key}: ")


def test_a_hotline_may_be_given_all_times(folder: Folder) -> None:
    one, two = "0" * 64, "1" * 64
    folder.write(
        SERVER,
        f'[[api.partners]]\nname = "Hotline"\nkey_sha256 = "{one}"\nall_times = true\n'
        f'[[api.partners]]\nname = "Website"\nkey_sha256 = "{two}"\n',
    )
    assert compose.all_times(folder.load()) == {"Hotline"}
