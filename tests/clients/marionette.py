"""Thunderbird on a virtual screen, driven over Marionette, the remote protocol of Mozilla's programs.

The protocol: TCP, each message its length in decimal, a colon, and JSON; commands are [0, id, name, parameters], answers
[1, id, error, result] (Firefox source documentation, "Marionette: Protocol"). Scripts run with Thunderbird's own rights, so that
they reach its calendar code; the mouse is a real one of the X server, by xdotool.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PROGRAMS = ("Xvfb", "thunderbird", "xdotool", "import")
SCREEN = (1280, 860)
_START_SECONDS = 90

PREFERENCES: dict[str, bool | int | str] = {
    "app.donation.eoy.version.viewed": 999,
    "app.update.auto": False,
    "app.update.enabled": False,
    "browser.dom.window.dump.enabled": True,
    "calendar.alarms.show": False,
    "calendar.debug.log": True,
    "calendar.icaljs": True,
    "calendar.network.multirealm": False,
    "calendar.timezone.local": "Europe/Berlin",
    "calendar.timezone.useSystemTimezone": False,
    "calendar.week.start": 1,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "extensions.update.enabled": False,
    "mail.accountmanager.accounts": "account1",
    "mail.account.account1.server": "server1",
    "mail.accountmanager.localfoldersserver": "server1",
    "mail.inappnotifications.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.server.server1.hostname": "Local Folders",
    "mail.server.server1.name": "Local Folders",
    "mail.server.server1.type": "none",
    "mail.server.server1.userName": "nobody",
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.uidensity": 0,
    "mailnews.start_page.enabled": False,
    # Whatever it wants to fetch from elsewhere ends at a closed port; loopback needs no proxy.
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.type": 1,
    "toolkit.telemetry.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class ScriptError(RuntimeError):
    """Thunderbird answered with an error."""


class Point(NamedTuple):
    """A place on the screen, in pixels."""

    x: int
    y: int


def wait_for(what: str, ask: Callable[[], Any], seconds: float = 30) -> Any:
    """Return the first answer that is neither None nor False; TimeoutError tells what it waited for."""
    end = time.monotonic() + seconds
    while True:
        found = ask()
        if found is not None and found is not False:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.1)


class Marionette:
    """A connection to a Thunderbird that was started with `-marionette`."""

    def __init__(self, port: int) -> None:
        self._socket = wait_for("Marionette's port", lambda: _connected(port), _START_SECONDS)
        self._socket.settimeout(60)
        self._buffer = b""
        self._id = 0
        self._receive()
        self.command("WebDriver:NewSession", {"capabilities": {}})
        self.command("Marionette:SetContext", {"value": "chrome"})

    def _receive(self) -> Any:
        while b":" not in self._buffer:
            self._more()
        length, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(length):
            self._more()
        message, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(message)

    def _more(self) -> None:
        part = self._socket.recv(65536)
        if not part:
            raise ScriptError("Thunderbird has gone")
        self._buffer += part

    def command(self, name: str, parameters: Mapping[str, Any]) -> Any:
        """Send one command and return its result; ScriptError tells what Thunderbird says against it."""
        self._id += 1
        message = json.dumps([0, self._id, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._receive()
        if error:
            raise ScriptError(f"{error['error']}: {error['message']}\n{error.get('stacktrace', '')}")
        return result["value"] if isinstance(result, dict) and "value" in result else result

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of an async function in Thunderbird's main window and return what it returns (as JSON)."""
        body = (
            "const [args, done] = [Array.from(arguments).slice(0, -1), arguments[arguments.length - 1]];"
            'const win = Services.wm.getMostRecentWindow("mail:3pane");'
            f"(async () => {{ {script} }})()"
            ".then(value => done({value}), error => done({error: `${error}\\n${error.stack}`}));"
        )
        parameters = {"script": body, "args": list(arguments), "newSandbox": False, "sandbox": "system"}
        answer = self.command("WebDriver:ExecuteAsyncScript", parameters)
        if "error" in answer:
            raise ScriptError(answer["error"])
        return answer.get("value")

    def close(self) -> None:
        """Ask Thunderbird to end."""
        self.command("Marionette:Quit", {"flags": ["eForceQuit"]})
        self._socket.close()


def _connected(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=1)
    except OSError:
        return None


class Screen:
    """A virtual screen with a mouse."""

    def __init__(self, display: str) -> None:
        self.environment = {**os.environ, "DISPLAY": display}

    def _xdotool(self, *words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], check=True, env=self.environment, timeout=20)

    def drag(self, start: Point, end: Point) -> None:
        """Press the button at a place, go to another one in small steps as a hand does, and let go."""
        self._xdotool("mousemove", *start)
        time.sleep(0.3)
        self._xdotool("mousedown", 1)
        time.sleep(0.3)
        steps = 16
        for step in range(1, steps + 1):
            x = start.x + (end.x - start.x) * step // steps
            y = start.y + (end.y - start.y) * step // steps
            self._xdotool("mousemove", x, y)
            time.sleep(0.05)
        time.sleep(0.5)
        self._xdotool("mouseup", 1)

    def rest(self) -> None:
        """Put the mouse into the corner and wait until tooltips are gone."""
        self._xdotool("mousemove", SCREEN[0] - 1, SCREEN[1] - 1)
        time.sleep(1.5)

    def shot(self, file: Path) -> None:
        """Write what the screen shows as a small PNG."""
        words = ["import", "-window", "root", "+dither", "-colors", "96", "-strip", f"PNG8:{file}"]
        subprocess.run(words, check=True, env=self.environment, timeout=30)


@contextmanager
def screen() -> Iterator[Screen]:
    """Run an X server without hardware on a free display."""
    reading, writing = os.pipe()
    size = f"{SCREEN[0]}x{SCREEN[1]}x24"
    words = ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp"]
    server = subprocess.Popen(words, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as lines:
            number = lines.readline().strip()
        if not number:
            raise RuntimeError("Xvfb has not started")
        yield Screen(f":{number}")
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def thunderbird(on: Screen, preferences: Mapping[str, bool | int | str], log: Path) -> Iterator[Marionette]:
    """Run Thunderbird with a new profile; what it prints goes into `log`."""
    home = Path(tempfile.mkdtemp(prefix="termin-thunderbird-"))
    profile = home / "profile"
    profile.mkdir()
    port = free_port()
    settings = {**PREFERENCES, "marionette.port": port, **preferences}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in settings.items()]
    (profile / "user.js").write_text("\n".join(lines) + "\n", "utf-8")
    environment = {
        **on.environment,
        "HOME": str(home),
        "TZ": "Europe/Berlin",
        "MOZ_CRASHREPORTER_DISABLE": "1",
    }
    words = [
        "thunderbird",
        "--no-remote",
        "--profile",
        str(profile),
        "--marionette",
        "--remote-allow-system-access",
    ]
    with log.open("wb") as output:
        program = subprocess.Popen(words, stdout=output, stderr=output, env=environment)
        try:
            marionette = Marionette(port)
            try:
                yield marionette
            finally:
                marionette.close()
                program.wait(20)
        finally:
            if program.poll() is None:
                program.kill()
                program.wait()
            shutil.rmtree(home, ignore_errors=True)


def folder_of_screenshots(description: str | None) -> Path:
    """Read the command line of a program that takes screenshots: the folder that they go into."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("docs/screenshots"), metavar="FOLDER")
    folder: Path = parser.parse_args().folder
    return folder
