"""Several servers start at once on a database that nobody has used yet."""

from __future__ import annotations

import threading

from calendar_server.setup import prepare
from calendar_server.storage.database import Database
from calendar_server.storage.migrate import migrate
from calendar_server.storage.rows import Role
from tests.proofs.office import proof_directory
from tests.support.clock import Clock

SERVERS = 6


def test_servers_that_start_together_all_get_ready(database_url):
    # Making the tables would keep them apart; what is looked at comes after that.
    first = Database.open(database_url)
    migrate(first)
    first.close()
    line = threading.Barrier(SERVERS)
    failed = []

    def start():
        database = Database.open(database_url)
        try:
            line.wait(60)
            prepare(database, proof_directory(), Clock())
        except Exception as error:  # noqa: BLE001 - looked at below
            failed.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=start) for _ in range(SERVERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    database = Database.open(database_url)
    opening = prepare(database, proof_directory(), Clock()).find("buergerbuero/opening")
    assert opening is not None
    assert opening.role is Role.OPENING
    database.close()
