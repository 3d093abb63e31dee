"""What we rely on in Radicale 3.9: a change there fails here first."""

from __future__ import annotations

import base64
import inspect
import io

import pytest
from radicale.app import Application
from radicale.storage import BaseCollection, BaseStorage

from calendar_server.accounts import Account, AccountRole, Accounts
from calendar_server.app import TerminApplication, _configuration
from calendar_server.busy_feed import BusyFeed
from calendar_server.plugin import TerminStorage
from calendar_server.shell import METHODS
from tests.support.town import directory

CALLED = ("MKCALENDAR", "MKCOL")


@pytest.mark.parametrize("method", CALLED)
def test_handlers_take_what_we_call_them_with(method):
    parameters = list(inspect.signature(getattr(Application, f"do_{method}")).parameters)
    assert parameters == ["self", "environ", "base_prefix", "path", "user", "user_groups", "request_info"]


def test_every_method_has_a_handler_of_ours(service, clock):
    accounts, feed = Accounts(service.database, clock), BusyFeed(service.database, directory(), clock)
    assert TerminApplication(service, accounts, feed).handlers.keys() == METHODS


def test_radicales_own_frame_lets_nobody_in(service, clock):
    accounts, feed = Accounts(service.database, clock), BusyFeed(service.database, directory(), clock)
    accounts.ensure(Account("clerk1", AccountRole.CLERK), "demo")
    application = TerminApplication(service, accounts, feed)
    environ = {
        "REQUEST_METHOD": "PROPFIND",
        "PATH_INFO": "/clerk1/",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_AUTHORIZATION": "Basic " + base64.b64encode(b"clerk1:demo").decode(),
        "wsgi.input": io.BytesIO(),
    }
    assert application._handle_request(environ)[0] == "401 Unauthorized"


def test_every_handler_of_radicale_is_known():
    handlers = {name.removeprefix("do_") for name in dir(Application) if name.startswith("do_")}
    # COPY is answered by us alone.
    assert handlers | {"COPY"} == METHODS


def test_the_storage_interface_is_the_one_we_implement():
    assert {"discover", "create_collection", "acquire_lock", "verify"} <= set(vars(BaseStorage))
    assert {"path", "owner", "tag"} <= set(dir(BaseCollection))


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
