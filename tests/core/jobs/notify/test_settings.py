"""Settings are understood or refused in a sentence, and what is secret of them is never told."""

import pytest

from core.errors import ConfigError
from core.jobs.notify.events import Event
from core.jobs.notify.settings import check_email, check_webhook, read_settings, server_destinations
from tests.core.jobs.notify.conftest import Configure

WHOLE = """
address = "https://fer.example.org/faces/"
webhook = "https://hooks.example.org/s3cret"
events = ["failed", "crashed"]
people = false

[email]
host = "smtp.example.org"
port = 465
security = "tls"
user = "fer"
password = "s3cret"
sender = "fer@example.org"
to = ["team@example.org", "ada@example.org"]
"""


def test_the_whole_file_is_understood(configure: Configure) -> None:
    configure(WHOLE)
    settings = read_settings()
    assert settings and settings.email
    assert settings.address == "https://fer.example.org/faces"
    assert settings.events == [Event.FAILED, Event.CRASHED]
    assert not settings.people
    assert [(each.label, each.shown) for each in server_destinations(settings)] == [
        ("server webhook", "hooks.example.org"),
        ("server e-mail", "team@example.org, ada@example.org"),
    ]


def test_without_a_file_nobody_is_told(configure: Configure) -> None:
    assert read_settings() is None
    configure("")
    settings = read_settings()
    assert settings and server_destinations(settings) == []
    assert settings.events == list(Event) and settings.people and not settings.local_webhooks


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('webhook = "s3cret"', "webhook: The webhook must be a URL that begins with https:// or http://"),
        ('webhook = "file:///s3cret"', "begins with https://"),
        ('webhook = "https://a:s3cret@example.org/x"', "must not have a user name"),
        ('webhook = "https://[s3cret/x"', "isn't a valid URL"),
        ("webhook = 5", "webhook: Input should be a valid string"),
        ('hook = "s3cret"', "hook is not a setting."),
        ('events = ["s3cret"]', "events.0: Input should be 'finished', 'failed'"),
        ('[email]\nhost = "h"\nsender = "s3cret"', "email.sender: The e-mail address must look like"),
        ('[email]\nhost = "h"\npassword = "s3cret"', "email.sender: Field required."),
        ('[email]\nhost = "h"\nsender = "a@b.c"\nsecurity = "s3cret"', "should be 'starttls', 'tls' or 'none'."),
        ('webhook = "s3cret', "it isn't valid TOML at end of document."),
        ("s3cret", "it isn't valid TOML at end of document."),
        ("= s3cret\n", "it isn't valid TOML at line 1, column 1."),
        ("\udcff", "it isn't valid TOML."),
    ],
    ids=lambda value: repr(value)[:30] if "=" in value or value == "\udcff" else "",
)
def test_what_is_wrong_is_said_without_the_value(configure: Configure, text: str, said: str) -> None:
    configure("").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        read_settings()
    message = str(caught.value)
    assert message.startswith("Can't use notifications.toml: ") and said in message
    assert "s3cret" not in message and "\n" not in message
    assert "s3cret" not in repr(caught.value.__cause__)


def test_nothing_secret_is_in_what_a_log_might_print(configure: Configure) -> None:
    configure(WHOLE)
    settings = read_settings()
    assert settings
    assert "s3cret" not in repr(settings) + str(settings) + repr(server_destinations(settings))


@pytest.mark.parametrize("address", ["ada@example.org", "a.b+c@x.example.org"])
def test_usual_email_addresses_are_taken(address: str) -> None:
    assert check_email(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "ada", "ada@", "@x.org", "a b@x.org", "a@x.org\nBcc: b@x.org", "a@x.org, b@x.org", "<a@x.org>", "ä@x"],
)
def test_what_could_be_more_than_one_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"must look like ada@example\.org"):
        check_email(address)


@pytest.mark.parametrize(
    "url", ["https://x.org/a b", "https://x.org/\n", "https://x.org/\u202e", "//x.org", "https://"]
)
def test_odd_webhooks_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        check_webhook(url)
