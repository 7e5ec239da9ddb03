"""The note on files that were removed from a run."""

from pathlib import Path

import pytest

from core.errors import RunError
from core.runs.reader import read_run
from core.runs.removed import remove_files, require_weights, why_removed
from tests.core.runs.conftest import make_finished


def test_a_removed_file_has_its_reason_and_others_have_none(root: Path) -> None:
    run = make_finished(root, "a-run", 0.5, evaluated=False)
    require_weights(run)
    assert why_removed(run.paths.weights) is None
    remove_files(run.paths, [run.paths.weights, run.paths.checkpoint], "To make room.")
    assert not read_run(root, "a-run").has_weights
    assert why_removed(run.paths.weights) == why_removed(run.paths.checkpoint) == "To make room."
    assert why_removed(run.paths.summary) is None
    with pytest.raises(RunError, match=r"^Run a-run has no weights\. To make room\. Clone the run"):
        require_weights(run)
    run.paths.weights.touch()  # put back from a backup
    assert why_removed(run.paths.weights) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"files": 3}'], ids=["cut", "no table", "no list"])
def test_a_corrupt_note_says_nothing(root: Path, content: str) -> None:
    run = make_finished(root, "a-run", 0.5, evaluated=False)
    run.paths.removed.write_text(content)
    run.paths.weights.unlink()
    assert why_removed(run.paths.weights) is None
    require_weights(run)
