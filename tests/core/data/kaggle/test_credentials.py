"""Credentials: which are none, where they are kept, and that nobody else gets to see them."""

import contextlib
import json
import time
from pathlib import Path

import psutil
import pytest

from core.data.kaggle import credentials
from core.data.kaggle.credentials import parse_credentials
from core.data.kaggle.download import start_download
from core.errors import DataError
from tests.core.data.kaggle.conftest import LEGACY, downloads_of, looked, works
from tests.kaggle_stand_in import KEY, TOKEN, USER, StandIn


def test_the_secret_is_nowhere_but_in_its_file(
    data_root: Path, server: StandIn, machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a file, a command line, the environment of a process, nor in what a page or terminal could show; not
    even where the user has asked Kaggle's client to be talkative."""
    monkeypatch.setenv("VERBOSE", "1")
    seen: list[str] = []
    for given, secret in ((TOKEN, TOKEN), (LEGACY, KEY)):
        credentials.keep(parse_credentials(given))
        assert secret not in repr(parse_credentials(given)) + repr(credentials.find_credentials())
        server.bytes_per_second = 1_000_000
        start_download(data_root, accept_differences=True)
        while (now := looked(data_root)).running:
            seen.append(now.model_dump_json())
            for process in downloads_of(data_root):
                with contextlib.suppress(psutil.Error):
                    seen.append(" ".join(process.cmdline()))
                    seen.append(str(process.environ()))
            time.sleep(0.1)
        assert now.state == "finished"
        files = [file for file in tmp_path.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
        name = "access_token" if secret == TOKEN else "kaggle.json"
        assert [file.name for file in files] == [name]
        assert files[0].stat().st_mode & 0o777 == 0o600
        assert files[0].parent.stat().st_mode & 0o777 == 0o700
        credentials.remove()
        assert not any(secret.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert any("kaggle.client" in text for text in seen), "the client was looked at, too"
    assert not any(secret in text for text in seen for secret in (TOKEN, KEY))


@pytest.mark.parametrize(
    ("text", "user", "part"),
    [
        ("", "", "No Kaggle token entered"),
        ("short", "", "not a valid Kaggle token"),
        ("two words of secret-canary", "", "not a valid Kaggle token"),
        ("secret-canary-ü-0123456789", "", "not a valid Kaggle token"),
        (KEY, "", "also need the username"),
        (KEY, "ada lovelace", "Invalid Kaggle username"),
        ("{", "", "not valid JSON"),
        ('{"username": "secret-canary"', "", "not valid JSON"),
        ('["secret-canary"]', "", "has no username and key"),
        ("{}", "", "an invalid username and key"),
        ('{"username": "ada", "key": ""}', "", "an invalid key"),
        ('{"username": "ada", "key": ["secret-canary"]}', "", "an invalid key"),
        ('{"username": 7, "key": "secret-canary-0123456789"}', "", "an invalid username"),
        ("KAGGLE_USERNAME=ada", "", "not a valid Kaggle token"),
        ("KAGGLE_KEY=" + KEY, "", "also need the username"),
        ("KGAT_canary-01234567\nKGAT_canary-89abcdef", "", "contains 2 Kaggle tokens"),
        ("[" * 9000, "", "not valid JSON"),
        ("x" * 100_000, "", "has no username and key"),
    ],
)
def test_what_is_no_credentials(text: str, user: str, part: str) -> None:
    with pytest.raises(DataError, match=part) as caught:
        parse_credentials(text, user)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and len(message) < 300
    assert "canary" not in message and KEY not in message
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_credentials_are_kept_replaced_and_removed(machine: Path) -> None:
    assert credentials.find_credentials() is None
    credentials.keep(parse_credentials(f"\ufeff {LEGACY}\n"))
    folder = machine / ".config/fer-dashboard/kaggle/.kaggle"
    assert json.loads((folder / "kaggle.json").read_text()) == {"username": USER, "key": KEY}
    credentials.keep(parse_credentials(TOKEN))
    assert [file.name for file in folder.iterdir()] == ["access_token"]
    credentials.keep(parse_credentials(KEY, USER))
    assert [file.name for file in folder.iterdir()] == ["kaggle.json"]
    credentials.remove()
    credentials.remove()
    assert list(folder.iterdir()) == [] and credentials.find_credentials() is None


def test_a_malformed_file_of_the_machine_is_named(machine: Path, data_root: Path) -> None:
    (machine / ".kaggle").mkdir()
    for name, text in (("kaggle.json", '{"username": "ada"'), ("access_token", "<html>")):
        (machine / ".kaggle" / name).write_text(text)
        with pytest.raises(DataError, match=rf"^~/.kaggle/{name} on this machine is malformed"):
            start_download(data_root)


NEW_IN_OLD = json.dumps({"username": USER, "key": TOKEN})


@pytest.mark.parametrize(
    ("given", "user"),
    [
        (TOKEN, USER),
        (f"  '{TOKEN}'\n", ""),
        (f'"{TOKEN}"', ""),
        (f"Bearer {TOKEN}", ""),
        (NEW_IN_OLD, ""),
        (json.dumps({"token": TOKEN}), ""),
        (f"{{'username': 'ada', 'key': '{TOKEN}'}}", ""),
        (f"KAGGLE_API_TOKEN={TOKEN}", ""),
        (f'# of ada\nexport KAGGLE_API_TOKEN="{TOKEN}"\n', ""),
        (f"$env:KAGGLE_API_TOKEN = '{TOKEN}'", ""),
        (f"setx KAGGLE_API_TOKEN {TOKEN}", ""),
        (f'os.environ["KAGGLE_API_TOKEN"] = "{TOKEN}"', ""),
        (f"KAGGLE_USERNAME={USER}\nKAGGLE_KEY={TOKEN}", ""),
    ],
)
@pytest.mark.parametrize("encoding", [None, "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_new_token_is_one_wherever_it_stands(given: str, user: str, encoding: str | None) -> None:
    found = parse_credentials(given.encode(encoding) if encoding else given, user)
    assert (found.secret, found.user) == (TOKEN, "")


@pytest.mark.parametrize(
    "given",
    [
        LEGACY,
        f"KAGGLE_USERNAME={USER}\nKAGGLE_KEY={KEY}\n",
        f'export KAGGLE_KEY="{KEY}"; export KAGGLE_USERNAME="{USER}"',
        f'os.environ["KAGGLE_USERNAME"] = "{USER}"\nos.environ["KAGGLE_KEY"] = "{KEY}"',
        json.dumps({"KAGGLE_USERNAME": USER, "KAGGLE_KEY": KEY}),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_old_key_keeps_its_username(given: str, encoding: str) -> None:
    found = parse_credentials(given.encode(encoding))
    assert (found.secret, found.user) == (KEY, USER)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("kaggle.json", NEW_IN_OLD.encode()),
        ("kaggle.json", LEGACY.encode("utf-16")),
        ("access_token", f"KAGGLE_API_TOKEN={TOKEN}\n".encode()),
        ("access_token.txt", TOKEN.encode("utf-16")),
    ],
    ids=["new token in kaggle.json", "kaggle.json in UTF-16", "a line of a variable", "UTF-16"],
)
def test_files_of_the_machine_work_in_forms_that_the_client_misreads(
    name: str, content: bytes, data_root: Path, server: StandIn, machine: Path
) -> None:
    (machine / ".kaggle").mkdir()
    (machine / ".kaggle" / name).write_bytes(content)
    works(data_root)


def test_variables_of_the_machine_work_in_forms_that_the_client_misreads(
    data_root: Path, server: StandIn, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", USER)
    monkeypatch.setenv("KAGGLE_KEY", TOKEN)
    works(data_root)
    monkeypatch.setenv("KAGGLE_API_TOKEN", f'"{TOKEN}"')
    monkeypatch.setenv("KAGGLE_KEY", "0" * 32)
    works(data_root)


def test_what_an_older_version_saved_works(data_root: Path, server: StandIn, machine: Path) -> None:
    folder = machine / ".config/fer-dashboard/kaggle/.kaggle"
    folder.mkdir(parents=True)
    (folder / "kaggle.json").write_text(NEW_IN_OLD)
    works(data_root)


def test_without_a_home_folder_none_are_found_and_saving_says_what_to_do(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under a user number that has no name, without HOME."""

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert credentials.find_credentials() is None
    with pytest.raises(DataError, match="Set HOME, or give it in KAGGLE_API_TOKEN"):
        credentials.keep(parse_credentials(TOKEN))
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    found = credentials.find_credentials()
    assert found is not None and "KAGGLE_API_TOKEN" in found.where
