"""Sending one message to one destination."""

from core.errors import ConfigError
from core.jobs.notify.attempt import SendError
from core.jobs.notify.events import Message, message_of_test
from core.jobs.notify.mail import mail
from core.jobs.notify.settings import Destination, NotifySettings
from core.jobs.notify.webhook import post


def send(destination: Destination, message: Message, settings: NotifySettings) -> None:
    """Send a message to one destination.

    Raises:
        SendError: it was not taken.
    """
    if destination.kind == "webhook":
        for url in destination.addresses:
            post(url, message.text, local=settings.local_webhooks or not destination.personal)
    elif settings.email is None:
        raise SendError("No SMTP server is set.", again=False)
    else:
        mail(settings.email, destination.addresses, message)


def send_test(destination: Destination, settings: NotifySettings) -> str:
    """Send a test now; why it did not arrive, in a sentence, empty where it did."""
    try:
        send(destination, message_of_test(settings.address), settings)
    except (SendError, ConfigError) as error:
        return str(error)
    return ""
