"""The download on the Data page, from the first token to the last."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.data.kaggle import credentials
from core.data.kaggle.download import look
from dashboard.state import cache
from tests.conftest import PROJECT_ROOT
from tests.core.data.kaggle.conftest import LEGACY, download, looked, machine, server, small_zip, wait
from tests.kaggle_stand_in import KEY, TOKEN, StandIn

__all__ = ["machine", "server", "small_zip"]


def test_the_page(data_root: Path, server: StandIn, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FER_DATA_ROOT", str(data_root))
    monkeypatch.setenv("FER_RUNS_ROOT", str(data_root.parent / "runs"))
    monkeypatch.setattr(cache, "take_over", lambda *_: None)
    cache.importer.clear()
    app = AppTest.from_file(str(PROJECT_ROOT / "dashboard" / "Home.py"), default_timeout=120).run()
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
        fields["Username (legacy API keys only)"].set_value(user)
        upload = next(upload for upload in app.file_uploader if upload.label == "Upload kaggle.json")
        upload.set_value(("kaggle.json", file, "application/json") if file else None)
        next(button for button in app.button if button.label == "Save token and download").click().run()

    assert "[msambare/fer2013](https://www.kaggle.com/datasets/msambare/fer2013)" in words()
    assert "the terms on that page" in words() and "kaggle.com/settings/api" in words()
    submit("")
    assert f"create one at [kaggle.com/settings/api]({credentials.TOKEN_PAGE})." in words()
    submit(KEY)
    assert "also need the username" in words()
    whole, server.bytes_per_second = server.content, 100_000
    submit("", file=LEGACY.encode()[:-1])
    assert "kaggle.json is not valid JSON" in words()
    submit("", file=LEGACY.encode())
    assert looked(data_root).running and not app.error
    hold_no_secret()
    assert "Download in progress (see above)." in words() and "the download continues" in words()
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
    assert look(data_root) is None and "FER2013 downloaded" not in words()
    assert "the saved username and key." in words()
    hold_no_secret()
    app.button(key="kaggle-remove").click().run()
    assert credentials.find_credentials() is None and "Save token and download" in [
        button.label for button in app.button
    ]
    (machine / ".kaggle").mkdir()
    (machine / ".kaggle" / "kaggle.json").write_text("{")
    app.run()
    assert "~/.kaggle/kaggle.json on this machine is malformed" in words()
