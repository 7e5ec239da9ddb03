"""`ensembles`, and `predict`, `evaluate` and `runs compare` with several runs."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.runs.ensembles import list_ensembles
from tests.core.terminal import Terminal
from tests.members import write_members


@pytest.fixture
def two(runs_root: Path, demo_root: Path) -> list[str]:
    return [run.id for run in write_members(runs_root, demo_root)]


@pytest.fixture
def face(tmp_path: Path) -> str:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "face.png")
    return str(tmp_path / "face.png")


def test_an_ensemble_from_its_creation_to_its_end(fer: Terminal, two: list[str], face: str) -> None:
    assert fer("ensembles", "list").startswith("No ensembles yet.")
    assert fer("ensembles", "create", "both", *two, "--by", "Ana") == f"both: {', '.join(two)}"
    assert "already" in fer("ensembles", "create", "both", *two, code=2)
    assert "two or more different runs" in fer("ensembles", "create", "one", two[0], code=2)
    [listed] = json.loads(fer("ensembles", "list", "--json"))
    assert (listed["name"], listed["runs"], listed["author"]) == ("both", two, "Ana")
    assert set(listed["evaluation"]) == {"validation", "test"} and "interval" in listed["evaluation"]["test"]
    assert fer("ensembles", "list").startswith("both: validation ")

    named = fer("predict", face, "--run", "both", "--json")
    assert fer("predict", face, "--run", two[0], "--run", two[1], "--json") == named
    parts = [json.loads(fer("predict", face, "--run", run, "--json"))["faces"][0]["probabilities"] for run in two]
    together = json.loads(named)["faces"][0]["probabilities"]
    assert together == pytest.approx({label: (parts[0][label] + parts[1][label]) / 2 for label in together}, abs=1e-6)

    [_, row, ensemble] = fer("runs", "compare", *two, "both", "--split", "test").splitlines()[:3]
    assert ensemble.startswith("both ") and " test " in ensemble and "p " in row

    evaluated = json.loads(fer("evaluate", "both", "--tta", "--json", data=True))
    assert evaluated["runs"] == two and "temperature" not in evaluated
    assert json.loads(fer("evaluate", *two, "--tta", "--json", data=True)) == evaluated
    assert f"{two[0]} + {two[1]}, test with flip TTA: " in fer("evaluate", "both", "--tta", data=True)
    assert "takes a single run" in fer("evaluate", "both", "--split", "train", code=2, data=True)
    assert "takes a single run" in fer("evaluate", "both", "--split", "validation", "--proxy", code=2, data=True)

    assert fer("ensembles", "delete", "both") == "both: deleted."
    assert list_ensembles(fer.runs_root) == []
    assert "not found" in fer("predict", face, "--run", "both", code=2)


def test_predict_flips_unless_it_is_told_not_to(fer: Terminal, two: list[str], face: str, tmp_path: Path) -> None:
    mirrored = str(tmp_path / "mirrored.png")
    Image.open(face).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored)

    def labels(*options: str) -> list[dict[str, float]]:
        lines = fer("predict", face, mirrored, "--run", two[0], "--json", *options).splitlines()
        return [json.loads(line)["faces"][0]["probabilities"] for line in lines]

    here, there = labels()
    assert here == pytest.approx(there, abs=1e-5)
    here, there = labels("--no-flip")
    assert here != pytest.approx(there, abs=1e-3)


def test_a_run_that_cannot_be_a_member_is_said(fer: Terminal, two: list[str], face: str) -> None:
    (fer.runs_root / two[1] / "fer2013_model_2.pth").unlink()
    said = fer("predict", face, "--run", two[0], "--run", two[1], code=2)
    assert said == f"These runs can't be an ensemble: run {two[1]!r} has no usable weights."
