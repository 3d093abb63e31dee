"""Mail servers for tests: the real dialogue by aiosmtpd, with certificates of our own and failures to order."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Answer = str | None


@dataclass
class Postbox:
    """What a server does and what it got. A hook returns an answer ("450 …"), or None to go on; `drop_after_data` closes instead of answering."""

    on_mail: Callable[[str], Answer] = lambda _sender: None
    on_rcpt: Callable[[str], Answer] = lambda _recipient: None
    on_data: Callable[[bytes], Answer] = lambda _content: None
    drop_after_data: int = 0
    """So many mails are taken and then the connection is closed without an answer."""
    reports: bool = False
    """It offers to report about delivery (RFC 3461)."""
    taken: list[tuple[str, str, bytes]] = field(default_factory=list)
    peers: set[object] = field(default_factory=set)
    encrypted: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    envelopes: list[str] = field(default_factory=list)

    @property
    def connections(self) -> int:
        """Over how many connections somebody began to send."""
        return len(self.peers)

    async def handle_EHLO(self, _server, session, _envelope, hostname, responses):  # noqa: N802 - aiosmtpd's name
        session.host_name = hostname
        return [*responses[:-1], *(["250-DSN"] if self.reports else []), responses[-1]]

    async def handle_MAIL(self, _server, session, envelope, address, options):  # noqa: N802 - likewise
        self.peers.add(session.peer)
        if answer := self.on_mail(address):
            return answer
        envelope.mail_from = address
        self.options = options
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802 - likewise
        if answer := self.on_rcpt(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802 - likewise
        if answer := self.on_data(envelope.content):
            return answer
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        self.taken.append((envelope.mail_from, envelope.rcpt_tos[0], envelope.content))
        if self.drop_after_data:
            self.drop_after_data -= 1
            server.transport.abort()
            await asyncio.sleep(0)
        return "250 taken"

    @property
    def recipients(self) -> list[str]:
        return [recipient for _, recipient, _ in self.taken]


class _Smtp(SMTP):
    """Understands what names a mail in its envelope (RFC 3461); aiosmtpd doesn't."""

    async def smtp_MAIL(self, arg: str) -> None:  # noqa: N802 - likewise
        self.event_handler.envelopes += re.findall(r"(?:RET|ENVID)=\S+", arg)
        await super().smtp_MAIL(re.sub(r" (?:RET|ENVID)=\S+", "", arg))


class _Server(Controller):
    def __init__(
        self,
        postbox: Postbox,
        *,
        port: int,
        outside: ssl.SSLContext | None = None,
        **options: Any,
    ) -> None:
        self._options = options
        super().__init__(postbox, hostname="127.0.0.1", port=port, ready_timeout=10, ssl_context=outside)

    def factory(self) -> SMTP:
        return _Smtp(self.handler, hostname="mail.test", **self._options)


@dataclass(frozen=True)
class Authority:
    """A certificate authority that nobody else trusts."""

    ca: trustme.CA = field(default_factory=trustme.CA)

    def file(self, folder: Path) -> str:
        path = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(path))
        return str(path)

    def server_context(self, name: str = "127.0.0.1") -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(name).configure_cert(context)
        return context


@contextmanager
def mail_server(
    postbox: Postbox,
    *,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    outside: ssl.SSLContext | None = None,
    password: str = "",
    utf8: bool = False,
) -> Iterator[int]:
    """Run a mail server and yield its port. `tls`: for STARTTLS; `outside`: TLS from the first byte (RFC 8314).

    `password`: only who logs in with it may send.
    """

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        postbox.logins.append(data.login.decode())
        return AuthResult(success=data.password.decode() == password, handled=False)

    options: dict[str, Any] = {"enable_SMTPUTF8": utf8, "timeout": 20}
    if tls is not None:
        options |= {"tls_context": tls, "require_starttls": True}
    if password:
        options |= {"authenticator": authenticate, "auth_required": True}
    server = _Server(postbox, port=port or free_port(), outside=outside, **options)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@contextmanager
def tls_before(authority: Authority, port: int) -> Iterator[int]:
    """TLS from the first byte before a server on loopback that has none of its own; yield the port to connect to."""
    loop, made = asyncio.new_event_loop(), threading.Event()
    context, found = authority.server_context(), [0]

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async def serve() -> None:
        server = await asyncio.start_server(meet, "127.0.0.1", 0, ssl=context)
        found[0] = server.sockets[0].getsockname()[1]
        made.set()
        async with server:
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    made.wait()
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
