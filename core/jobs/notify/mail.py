"""Sending by e-mail."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from smtplib import SMTP, SMTP_SSL, SMTPException, SMTPRecipientsRefused, SMTPResponseException

from core.jobs.notify.attempt import SILENT_SECONDS, Deadline, SendError, time_limit, why_unreachable
from core.jobs.notify.events import Message
from core.jobs.notify.settings import MailServer


def mail(server: MailServer, to: tuple[str, ...], message: Message) -> None:
    """Send an e-mail of plain text.

    Raises:
        SendError: the server did not take it for all recipients.
    """
    email = EmailMessage()
    email["Subject"], email["From"], email["To"] = message.subject, server.sender, ", ".join(to)
    email["Date"], email["Message-ID"] = formatdate(), make_msgid(domain=server.sender.rpartition("@")[2])
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is answered to it
    email.set_content(message.text)
    try:
        with time_limit() as deadline, _connection(server, deadline) as connection:
            if server.user:
                connection.login(server.user, server.password)
            refused = connection.send_message(email)
    except SMTPRecipientsRefused as error:
        code, _ = next(iter(error.recipients.values()))
        raise SendError(f"{server.host} refused the recipients ({code}).", again=code < 500) from None
    except SMTPResponseException as error:
        raise SendError(f"{server.host} refused the e-mail ({error.smtp_code}).", again=error.smtp_code < 500) from None
    except SMTPException as error:
        said = type(error).__name__.removeprefix("SMTP")
        raise SendError(f"{server.host} didn't take the e-mail ({said}).", again="NotSupported" not in said) from None
    except (OSError, ValueError) as error:
        raise SendError(f"{server.host} can't be reached: {why_unreachable(error)}.", again=True) from None
    if refused:  # taken for the others: sent again, they would have it twice
        raise SendError(f"{server.host} refused {len(refused)} of {len(to)} recipients.", again=False)


@contextmanager
def _connection(server: MailServer, deadline: Deadline) -> Iterator[SMTP]:
    context = ssl.create_default_context()
    if server.security == "tls":
        opened: SMTP = SMTP_SSL(server.host, server.port, timeout=SILENT_SECONDS, context=context)
    else:
        opened = SMTP(server.host, server.port, timeout=SILENT_SECONDS)
    with opened as connection:
        assert connection.sock is not None
        deadline.watch(connection.sock)
        if server.security == "starttls":
            connection.starttls(context=context)
            deadline.watch(connection.sock)  # another one, around the first
        yield connection
