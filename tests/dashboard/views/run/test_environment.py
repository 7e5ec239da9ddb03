"""The Environment tab, also of a file that makes no sense."""

from core.files import write_json
from tests.dashboard.conftest import Opener, words
from tests.dashboard_fixtures import FakeRun


def test_the_environment_names_machine_code_data_and_packages(open_page: Opener, run: FakeRun) -> None:
    write_json(
        run.paths.environment,
        {
            "python": "3.11.2",
            "packages": {"torch": "2.14.1", "Pillow": "13"},
            "git": {"commit": "a" * 40, "dirty": True},
            "dataset": {"name": "demo", "fingerprint": "f" * 64},
            "initial_weights": [{"run": "base", "sha256": "3" * 64}],
            "teachers": [{"run": "one", "sha256": "1" * 64}, {"run": "two", "sha256": "2" * 64}],
            "resumes": [{"time": "now", "host": "other"}],
        },
    )
    run.paths.uncommitted().write_text("+![x](http://evil.test)")
    app = open_page("run", run=run.id, tab="Environment")
    facts = next(frame.value for frame in app.dataframe if "property" in frame.value)
    assert dict(zip(facts["property"], facts["value"], strict=True)) | {"Python": "3.11.2"} == {
        "Commit": "aaaaaaaaaaaa (dirty)",
        "Dataset": "demo",
        "Data fingerprint": "f" * 64,
        "Initial weights": "base (333333333333)",
        "Teachers": "one (111111111111), two (222222222222)",
        "Python": "3.11.2",
    }
    assert "Resume 1, changes: host" in words(app) and "2 packages" in words(app)
    assert app.code[0].value == "+![x](http://evil.test)"
    for damaged in ("{", "[1]", '{"git": 1}'):
        run.paths.environment.write_text(damaged)
        [error] = open_page("run", run=run.id, tab="Environment").error
        assert error.value.replace("\\", "").startswith("Can't use environment.json: ")
