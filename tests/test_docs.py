"""What the README says is run."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from core.labels import LABELS
from core.models.cnn import CnnModel2
from core.prediction.predictor import Predictor
from tests.conftest import PROJECT_ROOT
from tests.dashboard_fixtures import write_run

README = (PROJECT_ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_few_lines_that_load_the_weights_work_and_agree_with_predict(tmp_path: Path) -> None:
    [script] = [block for block in blocks("python") if "fer2013_model_2.pth" in block]
    torch.manual_seed(3)
    torch.save(CnnModel2().state_dict(), tmp_path / "fer2013_model_2.pth")
    gradient = Image.radial_gradient("L").resize((120, 90))
    Image.merge("RGB", [gradient, gradient.rotate(90), gradient.rotate(180)]).save(tmp_path / "face.jpg")
    (tmp_path / "script.py").write_text(script)
    result = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT_ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    label, probability = result.stdout.split()
    [face] = Predictor.load(tmp_path / "fer2013_model_2.pth").predict_file(tmp_path / "face.jpg", whole=True).faces
    assert face.label == label
    assert float(face.probabilities.max()) == pytest.approx(float(probability), abs=1e-6)


def test_the_few_lines_of_python_that_predict_work(tmp_path: Path, demo_root: Path) -> None:
    """On a finished run under the name the README uses."""
    [script] = [block for block in blocks("python") if "from core.prediction import Predictor" in block]
    assert len([line for line in script.splitlines() if line]) <= 10
    run = write_run(tmp_path / "made", demo_root, "finished", epochs=1)
    torch.save(CnnModel2().state_dict(), run.paths.weights)
    (tmp_path / "runs").mkdir()
    run.paths.folder.rename(tmp_path / "runs" / "reference-cnn-model-2")
    Image.radial_gradient("L").resize((300, 200)).save(tmp_path / "group.jpg")
    (tmp_path / "script.py").write_text(script)
    environment = {"PYTHONPATH": str(PROJECT_ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    detection, face, probabilities = result.stdout.splitlines()
    assert detection == "no face found"
    assert face.startswith("(0, 0, 300, 200) ")
    assert list(ast.literal_eval(probabilities)) == list(LABELS)


def test_exactly_two_commands_open_the_readme_and_ci_runs_the_second() -> None:
    opening = README.split("\n## ")[0]
    commands = re.findall(r"```sh\n(.*?)\n```", opening, re.DOTALL)
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)
    assert commands[0].endswith("streamlit run dashboard/Home.py")
    assert f"\n{commands[1]}\n" in (PROJECT_ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize(
    "document", ["README.md", "core/README.md", "core/cli/README.md", "runs/README.md", "tests/README.md"]
)
def test_links_and_pictures_are_there(document: str) -> None:
    path = PROJECT_ROOT / document
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), f"{document} links to {target}"


def test_presets_in_the_readme_are_those_there_are() -> None:
    from core.presets import PRESETS

    section = README.split("| preset |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z-]+)`", section, re.MULTILINE)) == set(PRESETS)


def test_ci_script_is_executable() -> None:
    assert shutil.which(str(PROJECT_ROOT / ".ci" / "run"))
