"""What a person enters for their own runs is kept to the server."""

import stat
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.jobs.notify.people import addresses_of, has_people, personal_destinations, save_addresses
from core.jobs.notify.settings import NotifySettings
from core.runs.paths import PeoplePaths
from core.runs.reader import list_runs

HOOK = "https://hooks.example.org/s3cret"
MAIL = {"host": "smtp.example.org", "sender": "fer@example.org"}


@pytest.fixture
def paths(runs_root: Path) -> PeoplePaths:
    return PeoplePaths(runs_root)


def test_addresses_are_saved_for_the_user_of_the_server_alone(paths: PeoplePaths) -> None:
    assert not has_people(paths)
    save_addresses(paths, "Ada Lovelace", webhook=HOOK, email="ada@example.org")
    assert has_people(paths)
    saved = addresses_of(paths, "Ada Lovelace")
    assert (saved.webhook, saved.email) == (HOOK, "ada@example.org")
    assert stat.S_IMODE(paths.file("Ada Lovelace").stat().st_mode) == 0o600
    assert "s3cret" not in repr(saved)
    assert addresses_of(paths, "Ben").webhook == ""
    assert list_runs(paths.root) == []


def test_who_comes_before_the_first_run_can_save_theirs(tmp_path: Path) -> None:
    paths = PeoplePaths(tmp_path / "no runs yet")
    save_addresses(paths, "Ada", webhook=HOOK)
    assert addresses_of(paths, "Ada").webhook == HOOK


def test_nothing_of_both_removes_them(paths: PeoplePaths) -> None:
    save_addresses(paths, "Ada", webhook=HOOK)
    save_addresses(paths, "Ada")
    save_addresses(paths, "Ada")
    assert not has_people(paths)


@pytest.mark.parametrize("name", ["../../x", "a/b", "A" * 500, "\udcff", "Ada\0"])
def test_no_name_is_a_path(paths: PeoplePaths, name: str) -> None:
    assert paths.file(name).parent == paths.folder
    assert len(paths.file(name).name) == 37


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("", {"webhook": HOOK}, "Enter your name first"),
        ("Ada", {"webhook": "s3cret"}, "The webhook must be a URL"),
        ("Ada", {"email": "s3cret"}, "must look like ada@example.org"),
    ],
)
def test_invalid_ones_are_refused_and_the_saved_ones_stay(
    paths: PeoplePaths, name: str, given: dict[str, str], said: str
) -> None:
    save_addresses(paths, "Ada", webhook=HOOK)
    with pytest.raises(ConfigError, match=said) as caught:
        save_addresses(paths, name, **given)
    assert "s3cret" not in str(caught.value)
    assert addresses_of(paths, "Ada").webhook == HOOK


def test_a_file_that_cannot_be_used_is_named_by_its_person(paths: PeoplePaths) -> None:
    save_addresses(paths, "Ada", webhook=HOOK)
    paths.file("Ada").write_text("{")
    with pytest.raises(ConfigError, match=r"what Ada saved for notifications\. Save it again\."):
        addresses_of(paths, "Ada")


def test_people_are_told_as_far_as_the_server_lets_them_be(paths: PeoplePaths) -> None:
    save_addresses(paths, "Ada", webhook=HOOK, email="ada@example.org")
    saved = addresses_of(paths, "Ada")
    labels = [
        [each.label for each in personal_destinations(saved, NotifySettings.model_validate(settings))]
        for settings in ({}, {"email": MAIL}, {"people": False, "email": MAIL})
    ]
    assert labels == [["webhook of Ada"], ["webhook of Ada", "e-mail of Ada"], []]
