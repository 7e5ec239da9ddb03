"""What is said when Kaggle refuses: one sentence, and the next try works."""

from pathlib import Path

from core.data.kaggle import credentials
from core.data.kaggle.credentials import parse_credentials
from core.data.kaggle.process import download_and_import
from tests.core.data.kaggle.conftest import LEGACY, failed, looked, works
from tests.kaggle_stand_in import TOKEN, StandIn


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


def test_other_numbers_are_refused_unless_accepted(data_root: Path, server: StandIn) -> None:
    credentials.keep(parse_credentials(TOKEN))
    download_and_import(data_root)
    assert "21 of 21 class counts differ (first: train/angry has 2 images instead of 3,995)" in looked(data_root).error
    assert looked(data_root).kept_bytes == 0
