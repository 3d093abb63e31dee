"""What a child process is told by the supervisor: which role, where the configuration and the data are, where to listen."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings

ROLES = ("calendar", "site", "staff", "worker")
"""In the order in which they start."""
HEARTBEAT = "worker.heartbeat"
"""The file in the data folder by which the worker tells that it works."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Absolute folders, and where each role listens; the rest is in the configuration, which each process reads itself."""

    config: Path
    data: Path
    demo: bool
    host: str
    site_port: int
    staff_port: int
    dav_port: int
    threads: int
    trust_proxy: bool = False

    def settings(self, *, people: bool = True) -> Settings:
        """Read the configuration, which the supervisor has checked, with what the command line said."""
        # Only in the process that works with it: the supervising one stays small.
        from config.settings import load  # noqa: PLC0415

        return load(self.config, people=people, regions=False).with_ports(
            site=self.site_port, staff=self.staff_port, dav=self.dav_port, host=self.host
        )

    def port(self, role: str) -> int | None:
        """Return the port where a role listens; the worker has none."""
        return {"calendar": self.dav_port, "site": self.site_port, "staff": self.staff_port}.get(role)

    def command(self, role: str, pipe: int) -> list[str]:
        """Return the command line of the child for `role`; `pipe` reads as closed once the supervisor is gone."""
        told = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        # -P: a folder "config" where somebody happens to stand must not take this package's place.
        return [sys.executable, "-P", "-m", "config.processes", role, str(pipe), json.dumps(told)]

    @staticmethod
    def of(text: str) -> Launch:
        """Read what `command` wrote."""
        told = json.loads(text)
        return Launch(**{**told, "config": Path(told["config"]), "data": Path(told["data"])})
