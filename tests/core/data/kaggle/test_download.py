"""FER2013 from Kaggle: the real client against a stand-in for its server; every failure ends in time, with a message,
and the next try works."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from core.data.dataset import list_datasets
from core.data.kaggle import credentials
from core.data.kaggle import download as kaggle
from core.data.kaggle import process as kaggle_process
from core.data.kaggle.credentials import parse_credentials
from core.data.kaggle.download import Download
from core.errors import DataError
from dashboard.state import cache
from tests.conftest import PROJECT_ROOT, REAL_ZIP, wait_for
from tests.core.data.importers.test_fer2013 import small_files
from tests.kaggle_stand_in import KEY, TOKEN, USER, StandIn, serve

SHORT, LONG = 3.0, 30.0
"""Seconds without a byte after which a download is ended: where that is expected, and where not."""
LEGACY = json.dumps({"username": USER, "key": KEY})
FILLING = 2_500_000
"""Bytes in the small zip that no one reads: the client writes blocks of 1 MiB."""


@pytest.fixture(scope="module")
def small_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("README", os.urandom(FILLING))
        for name, data in small_files().items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder without credentials; what still downloads at the end of the test is killed."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("KAGGLE_")] + ["XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    yield home
    for process in downloads_of(tmp_path):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.fixture
def server(small_zip: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with serve(StandIn(small_zip)) as stand_in:
        for name, value in stand_in.environment.items():
            monkeypatch.setenv(name, value)
        yield stand_in


def downloads_of(folder: Path) -> list[psutil.Process]:
    """Our own process and Kaggle's client, for data below a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "-m" in command and any(part.startswith(str(folder)) for part in command):
            found.append(process)
    return found


def download(data_root: Path, silence: float = LONG) -> Download:
    """One from beginning to end, without a process of our own around Kaggle's client."""
    kaggle_process.download_and_import(data_root, silence_seconds=silence, accept_differences=True)
    return looked(data_root)


def wait(data_root: Path) -> Download:
    wait_for(lambda: not looked(data_root).running, 60, "the end of the download")
    return looked(data_root)


def looked(data_root: Path) -> Download:
    found = kaggle.look(data_root)
    assert found is not None
    return found


def works(data_root: Path) -> None:
    """The next try downloads and imports the set, and leaves nothing behind."""
    ended = download(data_root)
    assert (ended.state, ended.error, ended.name) == ("finished", "", "fer2013")
    assert [info.total for info in list_datasets(data_root)] == [28]
    kaggle.forget(data_root)
    assert kaggle.look(data_root) is None
    assert [file.name for file in (data_root / ".download").iterdir()] == ["lock"]


def failed(data_root: Path, *parts: str, silence: float = LONG) -> Download:
    """It failed with a message that says what to do."""
    ended = download(data_root, silence)
    assert ended.state == "failed"
    assert all(part in ended.error for part in parts), ended.error
    assert "\n" not in ended.error and ended.error.endswith(".") and len(ended.error) < 250
    assert list_datasets(data_root) == []
    return ended


# --- the ways to success


@pytest.mark.parametrize("where", ["KAGGLE_API_TOKEN", "access_token", "kaggle.json"])
def test_a_download_with_what_the_machine_has(
    data_root: Path, server: StandIn, machine: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "KAGGLE_API_TOKEN":
        monkeypatch.setenv(where, TOKEN)
    else:
        (machine / ".kaggle").mkdir()
        (machine / ".kaggle" / where).write_text(LEGACY if where == "kaggle.json" else TOKEN)
    source = credentials.find_credentials()
    assert source is not None and where in source.where and not source.kept
    works(data_root)


def test_what_was_given_goes_before_what_the_machine_has(
    data_root: Path, server: StandIn, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "wrong-token-of-this-machine")
    (machine / ".kaggle").mkdir()
    (machine / ".kaggle" / "access_token").write_text("another-wrong-token-of-it")
    credentials.keep(parse_credentials(LEGACY))
    works(data_root)


@pytest.mark.real_data
def test_the_real_zip(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.keep(parse_credentials(TOKEN))
    with serve(StandIn(REAL_ZIP.read_bytes())) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        kaggle.start_download(data_root)
        while (now := looked(data_root)).running:
            assert 0 <= now.done <= max(now.total, now.done)
            time.sleep(0.05)
    assert (now.state, now.as_known, now.error) == ("finished", True, "")
    assert list_datasets(data_root)[0].matches_published
    assert not (data_root / ".download" / "fer2013.zip").exists()


# --- mishaps


def test_without_credentials(data_root: Path, server: StandIn) -> None:
    with pytest.raises(
        DataError, match=r"^No Kaggle token on this machine\. Create one at .*kaggle\.com/settings/api "
    ):
        kaggle.start_download(data_root)
    assert kaggle.look(data_root) is None


def test_a_token_that_kaggle_refuses_is_not_kept(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials("KGAT_wrong-0123456789"))
    assert failed(data_root, "rejected this token", "not saved", "kaggle.com/settings/api").rejected
    assert credentials.find_credentials() is None
    credentials.keep(parse_credentials(TOKEN))
    works(data_root)


def test_what_the_server_answers(data_root: Path, server: StandIn) -> None:
    for status, parts in (
        (403, ["(403)", "accept the terms on https://www.kaggle.com/datasets/msambare/fer2013, then try again"]),
        (404, ["no dataset msambare/fer2013 (404)", "from a file"]),
        (429, ["rate limit reached (429)", "in a few minutes"]),
        (500, ["having problems (500)", "in a few minutes"]),
        (401, ["rejected this token", "not saved"]),
    ):
        credentials.keep(parse_credentials(LEGACY))
        server.status = status
        failed(data_root, *parts)
    server.status = 200
    credentials.keep(parse_credentials(LEGACY))
    works(data_root)


def test_offline(data_root: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.keep(parse_credentials(LEGACY))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    failed(data_root, "Can't reach Kaggle", "Check network and proxy")
    monkeypatch.setenv("http_proxy", server.environment["http_proxy"])
    works(data_root)


def test_a_server_that_falls_silent(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    for byte, kept in ((-1, ""), (0, ""), (1_500_000, "1.0 MB kept.")):
        server.stalls_at = byte
        failed(data_root, "No data from Kaggle for 3 s", kept, silence=SHORT)
    server.stalls_at = None
    works(data_root)


def test_a_break_at_half_is_resumed(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    server.breaks_at = len(server.content) // 2
    failed(data_root, "No data from Kaggle for", "MB kept.", silence=SHORT)
    server.breaks_at = None
    server.asked.clear()
    works(data_root)
    path, place = server.asked[-1]
    assert path.endswith("archive.zip") and place == f"bytes={2**20}-"


def test_a_corrupt_zip_of_the_right_size_is_removed(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    whole = server.content
    place = whole.index(b"train/")  # in the first header of an image
    server.content = whole[: place + 100] + bytes(400) + whole[place + 500 :]
    failed(data_root, "was corrupt and has been removed")
    assert looked(data_root).kept_bytes == 0
    server.content = whole
    works(data_root)


def test_other_numbers_are_refused_unless_accepted(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    kaggle_process.download_and_import(data_root)
    assert "21 of 21 class counts differ (first: train/angry has 2 images instead of 3,995)" in looked(data_root).error
    assert looked(data_root).kept_bytes == 0


def test_too_little_space(data_root: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials.keep(parse_credentials(TOKEN))
    with monkeypatch.context() as small:
        small.setattr(kaggle, "_SPARE_BYTES", 10**15)
        with pytest.raises(DataError, match=r"Not enough disk space .* FER2013 needs .* MB are free\. Free some space"):
            kaggle.start_download(data_root)


# --- cancelled, killed, twice


def slow_start(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    server.bytes_per_second = 100_000
    server.content += bytes(1_500_000)  # a comment after the archive's end would do, too
    kaggle.start_download(data_root, accept_differences=True)
    wait_for(lambda: (data_root / ".download" / "fer2013.zip").exists(), 60, "the first bytes")


@pytest.mark.parametrize(
    ("error", "says"), [(OSError(28, "Disk full"), "Disk full"), (OSError("odd"), "odd"), (OSError(), "OSError")]
)
def test_a_refusal_without_a_reason_of_the_system_still_says_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, says: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    (tmp_path / ".download").mkdir()
    (tmp_path / ".download" / "fer2013.zip").touch()
    monkeypatch.setattr(Path, "touch", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(DataError, match=f"Can't cancel the download: {says}\\.$"):
        kaggle.cancel(tmp_path)
    with pytest.raises(DataError, match=f"Can't remove the partial download: {says}\\.$"):
        kaggle.forget(tmp_path)


def test_one_at_a_time_and_cancel(data_root: Path, server: StandIn) -> None:
    slow_start(data_root, server)
    with pytest.raises(DataError, match="is already being downloaded"):
        kaggle.start_download(data_root)
    with pytest.raises(DataError, match="Cancel the download first"):
        kaggle.forget(data_root)
    kaggle.cancel(data_root)
    ended = wait(data_root)
    assert (ended.state, ended.error) == ("cancelled", "")
    wait_for(lambda: downloads_of(data_root) == [], 60, "no process")
    kaggle.forget(data_root)
    assert kaggle.look(data_root) is None


def test_killed_it_is_interrupted_and_its_client_goes_too(data_root: Path, server: StandIn) -> None:
    whole = server.content
    slow_start(data_root, server)
    # The command line as it was when the process was found: of one that has just ended nobody can ask any more.
    [ours] = [each for each in downloads_of(data_root) if "core.data.kaggle.process" in each.info["cmdline"]]
    ours.send_signal(signal.SIGKILL)
    wait_for(lambda: looked(data_root).state == "interrupted", 60, "being interrupted")
    assert "Download interrupted." in looked(data_root).sentence
    wait_for(lambda: downloads_of(data_root) == [], 60, "the client's end")
    kaggle.forget(data_root)
    server.content, server.bytes_per_second = whole, 0
    works(data_root)


# --- secrets


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
        kaggle.start_download(data_root, accept_differences=True)
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
    assert any("kaggle_client" in text for text in seen), "the client was looked at, too"
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
    (machine / ".kaggle" / "kaggle.json").write_text('{"username": "ada"')
    with pytest.raises(DataError, match=r"^~/.kaggle/kaggle.json on this machine is malformed"):
        kaggle.start_download(data_root)


# --- the command line


def fer(*arguments: object, **options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "core", "data", *map(str, arguments)]
    return subprocess.run(
        command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120, check=False, **options
    )


def test_the_command_downloads_keeps_the_token_and_never_shows_it(data_root: Path, server: StandIn) -> None:
    where = ["--data-root", data_root]
    without = fer("download", *where)
    assert without.returncode == 2 and without.stderr.splitlines()[-1].startswith("No Kaggle token")
    done = fer("download", *where, "--token-file", "-", "--accept-differences", "--json", input=TOKEN)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "fer2013"
    assert "https://www.kaggle.com/datasets/msambare/fer2013" in done.stderr
    shown = fer("credentials")
    assert shown.stdout == "A download would use the saved token.\n"
    removed = fer("credentials", "--remove")
    assert removed.stdout == "No Kaggle token on this machine.\n"
    for result in (without, done, shown, removed):
        assert TOKEN not in result.stdout + result.stderr


# --- the page


def test_the_page(data_root: Path, server: StandIn, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_DATA_ROOT", str(data_root))
    monkeypatch.setenv("FER_RUNS_ROOT", str(data_root.parent / "runs"))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)
    cache.importer.clear()
    app = AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=60).run()
    app.switch_page("views/data/page.py").run()

    def words() -> str:
        assert not app.exception
        parts = [*app.error, *app.success, *app.info, *app.warning, *app.caption, *app.markdown]
        return " ".join(str(part.value) for part in parts).replace("\\", "").replace("\u2060", "")

    def hold_no_secret() -> None:
        held = repr(app.main) + repr(app.sidebar) + repr(app.session_state)
        assert TOKEN not in held and KEY not in held

    def submit(token: str, user: str = "", file: bytes = b"") -> None:
        fields = {field.label.split(",")[0]: field for field in app.text_input}
        fields["Or paste a token"].set_value(token)
        fields["User name"].set_value(user)
        upload = next(upload for upload in app.file_uploader if upload.label == "Upload kaggle.json")
        upload.set_value(("kaggle.json", file, "application/json") if file else None)
        next(button for button in app.button if button.label == "Keep it and download").click().run()

    assert "[msambare/fer2013](https://www.kaggle.com/datasets/msambare/fer2013)" in words()
    assert "the terms that stand there" in words() and "kaggle.com/settings/api" in words()
    submit("")
    assert "No Kaggle token entered" in words()
    submit(KEY)
    assert "also need the username" in words()
    whole, server.bytes_per_second = server.content, 100_000
    submit("", file=LEGACY.encode()[:-1])
    assert "kaggle.json is not valid JSON" in words()
    submit("", file=LEGACY.encode())
    assert looked(data_root).running and not app.error
    hold_no_secret()
    assert "It is being downloaded: see above." in words() and "the download goes on" in words()
    assert not [button for button in app.button if button.label == "Download FER2013"]

    app.button(key="kaggle-cancel").click().run()
    wait(data_root)
    app.run()
    assert "Download cancelled." in words()
    server.content, server.bytes_per_second = whole, 0
    app.button(key="kaggle-again").click().run()
    wait(data_root)
    app.run()
    assert "21 of 21 class counts differ" in words() and "FER2013 needs" not in words()
    assert download(data_root).state == "finished"
    app.run()
    assert "FER2013 downloaded and imported" in words()
    app.button(key="kaggle-close").click().run()
    assert kaggle.look(data_root) is None and "FER2013 downloaded" not in words()
    assert "the saved username and key." in words()
    hold_no_secret()
    app.button(key="kaggle-remove").click().run()
    assert credentials.find_credentials() is None and "Keep it and download" in [button.label for button in app.button]
    (machine / ".kaggle").mkdir()
    (machine / ".kaggle" / "kaggle.json").write_text("{")
    app.run()
    assert "~/.kaggle/kaggle.json on this machine is malformed" in words()
