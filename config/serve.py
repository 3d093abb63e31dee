"""`termin serve`: checks before the start, the supervisor over the roles, and what is printed when all are ready."""

from __future__ import annotations

import errno
import ipaddress
import socket
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from config import compose, running
from config.processes.launch import HEARTBEAT, ROLES, Launch
from config.secrets import SecretsError, ensure
from config.supervisor import Spec, StartError, Supervisor, stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from config.settings import Settings

_PORT_OPTIONS = {"calendar": "--dav-port", "site": "--site-port", "staff": "--staff-port"}


class ServeError(Exception):
    """Something keeps the program from starting; the message says what, and which option helps."""


def serve(settings: Settings, data: Path, *, roles: Sequence[str] = ROLES, demo: bool = False) -> None:
    """Run the roles under one supervisor until SIGTERM or SIGINT. Raises ServeError."""
    began = time.monotonic()
    server = settings.server.server
    if demo and not is_loopback(server.host):
        raise ServeError(
            f"--demo has accounts with public passwords and refuses to listen on {server.host}: use 127.0.0.1 (--host)"
        )
    launch = Launch(
        config=settings.directory.resolve(),
        data=data.resolve(),
        demo=demo,
        host=server.host,
        site_port=server.site_port,
        staff_port=server.staff_port,
        dav_port=server.dav_port,
        threads=server.threads,
        trust_proxy=server.trust_proxy,
    )
    with ExitStack() as held:
        prepare_data(settings, launch.data, demo=demo)
        _hold(held, launch, roles)
        check_ports(launch, roles)
        supervisor = Supervisor([_spec(role, launch) for role in roles], report=_say)
        stop_on_signals(supervisor)
        try:
            supervisor.run(lambda: _tell(settings, launch, roles, time.monotonic() - began))
        except StartError as error:
            raise ServeError(str(error)) from error


def _hold(held: ExitStack, launch: Launch, roles: Sequence[str]) -> None:
    """Keep the roles for this process, and let nothing of an earlier run pass for its own. Raises ServeError."""
    data = launch.data
    try:
        for role in roles:
            try:
                running.hold(held, data, role, launch.host, launch.port(role))
            except running.RunsAlreadyError as error:
                raise ServeError(
                    f"another termin serve runs the {role} on {data}: stop it or choose another folder (--data)"
                ) from error
        if "worker" in roles:
            # The worker writes it anew after its first round.
            (data / HEARTBEAT).unlink(missing_ok=True)
    except OSError as error:
        raise ServeError(_unusable(data, error)) from error


def _unusable(data: Path, error: OSError) -> str:
    return f"the data folder {data} can't be used (--data): {error.strerror}"


def prepare_data(settings: Settings, data: Path, *, demo: bool) -> None:
    """Make the data folder and its secrets if they aren't there. Raises ServeError."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        ensure(data, settings.server.secrets, demo=demo)
    except OSError as error:
        raise ServeError(_unusable(data, error)) from error
    except SecretsError as error:
        raise ServeError(str(error)) from error


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach what listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_ports(launch: Launch, roles: Sequence[str]) -> None:
    """Raise ServeError if a port is taken, with the option that chooses another, or the address isn't this machine's."""
    taken: dict[int, str] = {}
    for role in roles:
        port = launch.port(role)
        if port is None:
            continue
        option = _PORT_OPTIONS[role]
        if port in taken:
            raise ServeError(f"{taken[port]} and {option} are both {port}: choose different ports")
        taken[port] = option
        family = socket.AF_INET6 if ":" in launch.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server itself: a connection that was closed a moment ago doesn't make a port busy.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((launch.host, port))
            except PermissionError as error:
                raise ServeError(
                    f"port {port} on {launch.host} needs more rights: choose another with {option}"
                ) from error
            except socket.gaierror as error:
                raise ServeError(f"{launch.host} isn't an address of this machine (--host)") from error
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise ServeError(f"{launch.host} isn't an address of this machine (--host)") from error
                raise ServeError(
                    f"port {port} on {launch.host} is in use: choose another with {option}"
                ) from error


def _spec(role: str, launch: Launch) -> Spec:
    port = launch.port(role)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(launch.host, launch.host)  # noqa: S104  not bound here
    command = partial(launch.command, role)
    if port is None:
        return Spec(role, command, is_ready=(launch.data / HEARTBEAT).exists)
    return Spec(role, command, (host, port))


def _say(line: str) -> None:
    Console(stderr=True, highlight=False).print(f"termin: {line}", soft_wrap=True, markup=False)


def _tell(settings: Settings, launch: Launch, roles: Sequence[str], seconds: float) -> None:
    rows: list[tuple[str, str]] = []
    if "site" in roles:
        rows.append(("Site", f"{compose.site_url(settings)}/"))
    if "staff" in roles:
        rows.append(("Staff pages", f"{compose.staff_url(settings)}/"))
    if "calendar" in roles:
        rows.append(("Calendars (CalDAV)", f"{compose.dav_url(settings)}/"))
    if launch.demo:
        clerks = [clerk.id for office in settings.offices.offices for clerk in office.clerks]
        rows.append(
            ("Accounts", f"{', '.join([*clerks, 'lead', 'admin'])} · password: {compose.DEMO_PASSWORD}")
        )
        rows.append(("API key", compose.DEMO_KEY))
    smtp = settings.server.smtp
    if "worker" in roles:
        way = f"sent by {smtp.host}:{smtp.port}" if smtp.host else f"written to {launch.data / 'mail'}/"
        rows.append(("Mails", way))
    rows += [
        ("Data", str(launch.data)),
        ("Configuration", str(launch.config)),
        ("Stop", "Ctrl+C"),
    ]
    console = Console(highlight=False, markup=False)
    console.print(f"termin · {settings.town.name}{' (demo)' if launch.demo else ''}")
    for name, value in rows:
        # Addresses and folders stay on one line, for those who copy them and for programs that read them.
        console.print(f"  {name:<20}{value}", soft_wrap=True)
    console.print(f"Ready after {seconds:.1f} s.")
