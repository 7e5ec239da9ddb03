"""E-mail to a real SMTP server, with each kind of TLS."""

import email
import email.policy
from pathlib import Path

import pytest

from core.jobs.notify.attempt import SendError
from core.jobs.notify.events import Message
from core.jobs.notify.mail import mail
from core.jobs.notify.settings import MailServer
from tests.listeners import Mailbox, dead_port, smtp_server, tls_of

HELLO = Message("Ada’s run: finished", "Ada’s run: finished\nhttps://fer.example.org/run?run=a")


def server(box: Mailbox, **options: object) -> MailServer:
    values = {"host": "localhost", "port": box.port, "security": "none", "sender": "fer@example.org", **options}
    return MailServer.model_validate(values)


def test_an_email_is_plain_text_and_says_that_a_program_sent_it() -> None:
    with smtp_server() as box:
        mail(server(box), ("ada@example.org", "ben@example.org"), HELLO)
    [sent] = [email.message_from_bytes(each.encode(), policy=email.policy.default) for each in box.mails]
    assert (sent["From"], sent["To"]) == ("fer@example.org", "ada@example.org, ben@example.org")
    assert sent["Subject"] == HELLO.subject
    assert sent["Auto-Submitted"] == "auto-generated"
    assert sent["Date"] and sent["Message-ID"].endswith("@example.org>")
    assert sent.get_content_type() == "text/plain"
    assert sent.get_content().splitlines() == HELLO.text.splitlines()
    assert [each for each in box.commands if each.upper().startswith("RCPT")] == [
        "rcpt TO:<ada@example.org>",
        "rcpt TO:<ben@example.org>",
    ]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_password_goes_over_tls_only(security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = tls_of(tmp_path)
    with smtp_server(tls=context, implicit=security == "tls", password="pa55") as box:
        settings = server(box, security=security, user="fer", password="pa55")
        with pytest.raises(SendError, match="its certificate is not valid"):
            mail(settings, ("ada@example.org",), HELLO)
        assert "AUTH" not in box.commands
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        mail(settings, ("ada@example.org",), HELLO)
        assert box.encrypted == [True]
        with pytest.raises(SendError, match=r"refused the e-mail \(535\)") as caught:
            mail(settings.model_copy(update={"password": "wr0ng"}), ("ada@example.org",), HELLO)
    assert not caught.value.again and "wr0ng" not in str(caught.value)


def test_a_server_without_starttls_gets_nothing() -> None:
    with smtp_server() as box, pytest.raises(SendError, match="NotSupported") as caught:
        mail(server(box, security="starttls", user="fer", password="pa55"), ("ada@example.org",), HELLO)
    assert not caught.value.again and box.mails == [] and "AUTH" not in box.commands


@pytest.mark.parametrize(
    ("reply", "again"),
    [("RCPT 550 no such user", False), ("RCPT 451 later", True), ("MAIL 550 no", False), ("EHLO 421 busy", True)],
)
def test_a_refusal_says_whether_it_may_pass(reply: str, again: bool) -> None:
    replies = [reply, "HELO 421 busy"] if "EHLO" in reply else [reply]
    with smtp_server(replies=replies) as box, pytest.raises(SendError) as caught:
        mail(server(box), ("ada@example.org",), HELLO)
    assert caught.value.again is again and box.mails == []


def test_a_server_that_is_not_there_may_take_it_later() -> None:
    with pytest.raises(SendError, match="localhost can't be reached: Connection refused") as caught:
        mail(server(Mailbox(port=dead_port())), ("ada@example.org",), HELLO)
    assert caught.value.again
