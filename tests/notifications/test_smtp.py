"""The SMTP dialogue with a real server: encryption, reuse, every way to fail."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import replace

import flask_mail
import pytest

from booking_web.notifications.smtp import Security, SmtpConnection, SmtpSettings, SmtpTransport
from booking_web.notifications.transport import BlockedError, DeferredError, RefusedError, UncertainError
from tests.notifications.servers import Authority, Postbox, mail_server
from tests.notifications.test_mails import mail
from tests.support.ports import free_port

MAIL = mail()


def settings(port: int, **values) -> SmtpSettings:
    return SmtpSettings(
        **{"host": "127.0.0.1", "port": port, "security": Security.NONE, "timeout_seconds": 5.0, **values}
    )


@pytest.fixture
def postbox():
    return Postbox()


@pytest.fixture
def server(postbox):
    with mail_server(postbox) as port:
        yield port


@pytest.fixture
def transport(server):
    made = SmtpTransport(settings(server))
    yield made
    made.close()


def test_a_mail_arrives_as_it_was_made(transport, postbox):
    transport.send(MAIL)
    [(sender, recipient, content)] = postbox.taken
    assert (sender, recipient) == ("buergerbuero@stadt.test", "erika@example.org")
    assert content == MAIL.message().as_bytes()


def test_lines_that_begin_with_a_dot_stay(transport, postbox):
    value = replace(MAIL, text=".\n..\n.and so on\n")
    transport.send(value)
    assert postbox.taken[0][2] == value.message().as_bytes()


def test_many_mails_over_one_connection(transport, postbox):
    for _ in range(20):
        transport.send(MAIL)
    assert (len(postbox.taken), postbox.connections) == (20, 1)


def test_a_connection_that_died_meanwhile_is_replaced(postbox):
    port = free_port()
    with mail_server(postbox, port=port):
        transport = SmtpTransport(settings(port))
        transport.send(MAIL)
    with mail_server(postbox, port=port):
        transport.send(MAIL)
        transport.close()
    assert (len(postbox.taken), postbox.connections) == (2, 2)


def test_starttls_with_a_trusted_authority(postbox, tmp_path):
    authority = Authority()
    with mail_server(postbox, tls=authority.server_context()) as port:
        transport = SmtpTransport(
            settings(port, security=Security.STARTTLS, ca_file=authority.file(tmp_path))
        )
        transport.send(MAIL)
        transport.close()
    assert postbox.encrypted == [True]


def test_tls_from_the_first_byte(postbox, tmp_path):
    authority = Authority()
    with mail_server(postbox, outside=authority.server_context()) as port:
        given = settings(port, security=Security.TLS, ca_file=authority.file(tmp_path))
        transport = SmtpTransport(given)
        transport.send(MAIL)
        transport.send(MAIL)
        transport.close()
        with pytest.raises(BlockedError, match="certificate verify failed"):
            SmtpTransport(replace(given, ca_file="")).send(MAIL)
    assert (postbox.encrypted, postbox.connections) == ([True, True], 1)


def test_tls_from_the_first_byte_wants_the_right_name(postbox, tmp_path):
    authority = Authority()
    with mail_server(postbox, outside=authority.server_context("mail.example")) as port:
        given = settings(port, security=Security.TLS, ca_file=authority.file(tmp_path))
        with pytest.raises(BlockedError, match="certificate verify failed"):
            SmtpTransport(given).send(MAIL)
    assert postbox.taken == []


@pytest.mark.parametrize(("security", "way"), [(Security.TLS, "outside"), (Security.STARTTLS, "tls")])
def test_mails_wait_for_an_authority_that_cannot_be_read(postbox, tmp_path, security, way):
    authority = Authority()
    file = tmp_path / "ca.pem"
    with mail_server(postbox, **{way: authority.server_context()}) as port:
        transport = SmtpTransport(settings(port, security=security, ca_file=str(file)))
        for _ in ("nothing", "no certificate"):
            with pytest.raises(BlockedError, match=r"smtp\.ca_file .*ca\.pem can't be used") as caught:
                transport.send(MAIL)
            assert caught.value.reason
            file.write_text("no certificate")
        authority.file(tmp_path)
        transport.send(MAIL)
        transport.close()
    assert len(postbox.taken) == 1


def test_an_unknown_authority_is_refused(postbox):
    with mail_server(postbox, tls=Authority().server_context()) as port:
        transport = SmtpTransport(settings(port, security=Security.STARTTLS))
        with pytest.raises(BlockedError, match="certificate verify failed"):
            transport.send(MAIL)
    assert postbox.taken == []


def test_a_certificate_for_another_host_is_refused(postbox, tmp_path):
    authority = Authority()
    with mail_server(postbox, tls=authority.server_context("mail.example")) as port:
        transport = SmtpTransport(
            settings(port, security=Security.STARTTLS, ca_file=authority.file(tmp_path))
        )
        with pytest.raises(BlockedError, match="certificate verify failed"):
            transport.send(MAIL)
    assert postbox.taken == []


def test_without_starttls_nothing_is_sent_in_clear(server, postbox):
    with pytest.raises(BlockedError, match="STARTTLS"):
        SmtpTransport(settings(server, security=Security.STARTTLS)).send(MAIL)
    assert postbox.taken == []


def test_login(postbox, tmp_path):
    authority = Authority()
    with mail_server(postbox, tls=authority.server_context(), password="geheim") as port:
        given = settings(
            port,
            security=Security.STARTTLS,
            ca_file=authority.file(tmp_path),
            user="stadt",
            password="geheim",
        )
        transport = SmtpTransport(given)
        transport.send(MAIL)
        transport.close()
        with pytest.raises(BlockedError, match="535"):
            SmtpTransport(replace(given, password="falsch")).send(MAIL)
        with pytest.raises(BlockedError, match="530"):
            SmtpTransport(replace(given, user="")).send(MAIL)
    assert len(postbox.taken) == 1
    assert set(postbox.logins) == {"stadt"}


def test_nobody_listens():
    with pytest.raises(BlockedError):
        SmtpTransport(settings(free_port())).send(MAIL)


def test_a_server_that_says_nothing_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(BlockedError, match="timed out"):
        SmtpTransport(settings(silent.getsockname()[1], timeout_seconds=0.2)).send(MAIL)


@pytest.mark.parametrize(
    ("hook", "answer", "error"),
    [
        ("on_rcpt", "550 5.1.1 no such user", RefusedError),
        ("on_rcpt", "450 4.2.1 mailbox busy", DeferredError),
        ("on_rcpt", "452 4.2.2 mailbox full", DeferredError),
        ("on_rcpt", "421 shutting down", BlockedError),
        ("on_mail", "552 message too large", RefusedError),
        ("on_mail", "451 later", BlockedError),
        ("on_mail", "530 authentication required", BlockedError),
        ("on_data", "554 spam", RefusedError),
        ("on_data", "451 greylisted", DeferredError),
        ("on_data", "421 shutting down", BlockedError),
    ],
)
def test_answers_of_the_server(transport, postbox, hook, answer, error):
    setattr(postbox, hook, lambda _: answer)
    with pytest.raises(error, match=answer[:3]):
        transport.send(MAIL)
    setattr(postbox, hook, lambda _: None)
    transport.send(MAIL)
    assert len(postbox.taken) == 1


def test_after_a_refusal_the_connection_is_still_good(transport, postbox):
    postbox.on_rcpt = lambda recipient: "550 no" if recipient.startswith("x") else None
    for recipient in ("x@example.org", "y@example.org", "x@example.org", "z@example.org"):
        with contextlib.suppress(RefusedError):
            transport.send(replace(MAIL, recipient=recipient))
    assert (postbox.recipients, postbox.connections) == (["y@example.org", "z@example.org"], 1)


def test_a_server_that_looks_at_a_mail_for_minutes_is_waited_for(server, postbox):
    """RFC 5321 section 4.5.3.2.6; each time one gives up too soon, the citizen gets the mail once more."""
    transport = SmtpTransport(settings(server, timeout_seconds=5.0))
    connection = transport._connection
    waits = []
    for hook in ("on_mail", "on_rcpt", "on_data"):
        setattr(postbox, hook, lambda _, hook=hook: waits.append((hook, connection.host.sock.gettimeout())))
    for _ in range(2):
        transport.send(MAIL)
    transport.close()
    assert waits == [("on_mail", 5.0), ("on_rcpt", 5.0), ("on_data", 600.0)] * 2


def test_a_lost_answer_is_uncertain(transport, postbox):
    postbox.drop_after_data = 1
    with pytest.raises(UncertainError):
        transport.send(MAIL)
    transport.send(MAIL)
    assert len({content for _, _, content in postbox.taken}) == 1
    assert len(postbox.taken) == 2


def test_a_connection_that_breaks_before_the_data_is_not_uncertain():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk():
            client, _address = listening.accept()
            with client, client.makefile("rb") as lines:
                client.sendall(b"220 hello\r\n")
                lines.readline()
                client.sendall(b"250 hello\r\n")
                lines.readline()

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        with pytest.raises(BlockedError):
            SmtpTransport(settings(listening.getsockname()[1])).send(MAIL)
        thread.join()


def test_umlaut_domains_travel_in_ascii(transport, postbox):
    transport.send(mail(email="erika@müller.de"))
    assert postbox.recipients == ["erika@xn--mller-kva.de"]


def test_an_umlaut_before_the_at_needs_a_server_that_takes_it(transport, postbox):
    with pytest.raises(RefusedError, match="ASCII"):
        transport.send(mail(email="jürgen@example.org"))
    transport.send(MAIL)
    assert postbox.recipients == ["erika@example.org"]


def test_an_umlaut_before_the_at_with_smtputf8(postbox):
    with mail_server(postbox, utf8=True) as port:
        transport = SmtpTransport(settings(port))
        transport.send(mail(email="jürgen@müller.de"))
        transport.send(MAIL)
        transport.close()
    assert postbox.recipients == ["jürgen@xn--mller-kva.de", "erika@example.org"]
    assert "SMTPUTF8" not in postbox.options


def test_a_server_that_reports_about_delivery_is_told_which_mail_it_is(postbox):
    postbox.reports = True
    with mail_server(postbox, utf8=True) as port:
        transport = SmtpTransport(settings(port))
        transport.send(replace(MAIL, message_id="a+b@termin.test"))
        transport.send(mail(email="jürgen@example.org"))
        transport.close()
    assert postbox.envelopes[:2] == ["RET=HDRS", "ENVID=a+2Bb@termin.test"]
    assert postbox.recipients == ["erika@example.org", "jürgen@example.org"]


def test_what_a_strange_server_said_can_be_kept(transport, postbox):
    postbox.on_rcpt = lambda _: "550 no\x00 such\x1b user" + " x" * 1000
    with pytest.raises(RefusedError, match="550 no such user") as error:
        transport.send(MAIL)
    assert str(error.value).isprintable()
    assert len(str(error.value)) <= 500


@pytest.mark.parametrize("field", ["subject", "recipient", "sender_name"])
def test_headers_with_line_breaks_never_leave(transport, postbox, field):
    with pytest.raises(RefusedError):
        transport.send(replace(MAIL, **{field: "a@example.org\r\nBcc: x@example.org"}))
    assert postbox.taken == []


def test_only_our_own_messages_are_sent(server):
    with SmtpConnection(settings(server)) as connection, pytest.raises(TypeError):
        connection.send(flask_mail.Message("Hello", ["a@example.org"], sender="b@example.org"))


def test_no_secret_in_the_settings_text():
    assert "geheim" not in repr(settings(25, password="geheim", user="stadt"))
