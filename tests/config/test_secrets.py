from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from config.schema import Secrets as Table
from config.secrets import FILE, SecretsError, ensure

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = Table()


def test_secrets_are_made_once_random_and_for_the_owner_alone(tmp_path: Path) -> None:
    made = ensure(tmp_path, NOTHING, demo=False)
    assert ensure(tmp_path, NOTHING, demo=False) == made
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    texts = {made.site_password, made.worker_password, made.signing_secret, made.session_secret}
    assert len(texts) == 4
    assert min(map(len, texts)) >= 40
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_the_configuration_goes_first(tmp_path: Path) -> None:
    given = "0123456789-0123456789-0123456789"
    found = ensure(tmp_path, Table(site_password=given), demo=False)
    assert found.site_password == given
    assert found.signing_secret != given


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    ensure(tmp_path, NOTHING, demo=False)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(SecretsError, match="chmod 600"):
        ensure(tmp_path, NOTHING, demo=False)


@pytest.mark.parametrize("text", ["", "site_password = 3", "not toml", 'site_password = "short"'])
def test_a_file_that_is_no_use_is_refused_and_not_replaced(tmp_path: Path, text: str) -> None:
    file = tmp_path / FILE
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(SecretsError, match=FILE):
        ensure(tmp_path, NOTHING, demo=False)
    assert file.read_text() == text


@pytest.mark.parametrize("first", [True, False])
def test_the_demo_and_a_real_town_never_share_a_folder(tmp_path: Path, *, first: bool) -> None:
    ensure(tmp_path, NOTHING, demo=first)
    with pytest.raises(SecretsError, match="Use another folder"):
        ensure(tmp_path, NOTHING, demo=not first)


def test_secrets_do_not_show_in_a_traceback(tmp_path: Path) -> None:
    made = ensure(tmp_path, NOTHING, demo=False)
    assert made.site_password not in repr(made)
