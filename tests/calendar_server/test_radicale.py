"""What we rely on in Radicale 3.9 and override: a change there fails here first."""

from __future__ import annotations

import inspect

import pytest
from radicale.app import Application
from radicale.app.base import Access
from radicale.auth import BaseAuth
from radicale.storage import BaseCollection, BaseStorage

from calendar_server.accounts import Accounts
from calendar_server.app import TerminApplication, _configuration
from calendar_server.busy_feed import BusyFeed
from calendar_server.plugin import TerminStorage
from tests.support.town import directory

HANDLERS = ("DELETE", "GET", "MKCALENDAR", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH", "PUT", "REPORT")


@pytest.mark.parametrize("method", HANDLERS)
def test_handlers_take_what_we_override_them_with(method):
    parameters = list(inspect.signature(getattr(Application, f"do_{method}")).parameters)
    assert parameters == ["self", "environ", "base_prefix", "path", "user", "user_groups", "request_info"]
    assert list(inspect.signature(getattr(TerminApplication, f"do_{method}")).parameters) == parameters


def test_every_handler_of_radicale_is_known():
    handlers = {name.removeprefix("do_") for name in dir(Application) if name.startswith("do_")}
    assert handlers == {*HANDLERS, "HEAD", "OPTIONS", "POST"}


def test_the_storage_interface_is_the_one_we_implement():
    assert {"discover", "move", "create_collection", "acquire_lock", "verify"} <= set(vars(BaseStorage))
    wanted = {
        "get_multi",
        "get_all",
        "get_filtered",
        "has_uid",
        "upload",
        "delete",
        "get_meta",
        "set_meta",
        "sync",
    }
    assert wanted <= set(vars(BaseCollection))


def test_access_has_the_permissions_that_we_read():
    assert list(inspect.signature(Access.__init__).parameters)[:5] == [
        "self",
        "rights",
        "user",
        "user_groups",
        "path",
    ]
    assert isinstance(inspect.getattr_static(Access, "parent_permissions"), property)


def test_login_is_called_as_we_override_it():
    assert list(inspect.signature(BaseAuth.login).parameters) == ["self", "login", "password", "context"]


def test_start_up_fails_if_another_storage_is_loaded(service, clock, monkeypatch):
    accounts, feed = Accounts(service.database, clock), BusyFeed(service.database, directory(), clock)
    real = _configuration

    def fallen_back(**plugins):
        return real(**{**plugins, "storage": BaseStorage})

    monkeypatch.setattr("calendar_server.app._configuration", fallen_back)
    with pytest.raises(RuntimeError, match="TerminStorage isn't the plugin"):
        TerminApplication(service, accounts, feed)
    monkeypatch.undo()
    assert type(TerminApplication(service, accounts, feed)._storage) is TerminStorage
