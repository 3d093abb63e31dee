"""A person's devices come for the first time at once."""

from __future__ import annotations

from tests.proofs.clients import Client, together
from tests.proofs.history import Result
from tests.proofs.office import EASY, slots
from tests.proofs.processes import running


def test_the_first_requests_of_an_account_may_come_together(database_url):
    with running(database_url) as servers:
        clients = [Client(number, servers.urls, servers.began, 1) for number in range(8)]
        starts = slots(8)
        # Holds are not asked for again, so the first answer is the one that counts.
        history = together(clients, lambda client: client.hold(client.uid(), starts[client.number], EASY, 60))
    assert [operation.result for operation in history] == [Result.DONE] * 8
