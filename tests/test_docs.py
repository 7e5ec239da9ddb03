"""What the documents say is run, and what they name is there."""

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
from tests.test_imports import FLOORS

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
    "document",
    [
        "README.md",
        "core/README.md",
        "core/cli/README.md",
        "dashboard/deploy/README.md",
        "runs/README.md",
        "tests/README.md",
    ],
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


NAMING_PATHS = ("README.md", "core/README.md", "runs/README.md")


def missing_modules(root: Path, document: str) -> list[str]:
    """Modules that a document names, from its own folder or from the top, and that are not there."""
    path = root / document
    named = dict.fromkeys(re.findall(r"`([\w./-]+\.py)`", path.read_text()))
    return [name for name in named if not any((folder / name).is_file() for folder in (path.parent, root))]


@pytest.mark.parametrize("document", NAMING_PATHS)
def test_modules_named_in_the_documents_are_there(document: str) -> None:
    assert missing_modules(PROJECT_ROOT, document) == []


def test_a_module_that_is_not_there_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "core" / "runs").mkdir(parents=True)
    (tmp_path / "core" / "runs" / "paths.py").touch()
    text = "| a | `runs/paths.py`, `core/runs/paths.py`, `runs/layout.py` |\nsee `core/gone.py`"
    (tmp_path / "core" / "README.md").write_text(text)
    assert missing_modules(tmp_path, "core/README.md") == ["runs/layout.py", "core/gone.py"]


def section(document: str, title: str) -> str:
    return (PROJECT_ROOT / document).read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def floors_in(text: str) -> list[set[str]]:
    """The floors of a map in Markdown, lowest first, by the names that `FLOORS` has for them."""
    rows = [re.findall(r"`([\w/]+?)(?:/|\.py)`[:,]", row) for row in re.findall(r"^\| \d+ \|(.*)", text, re.MULTILINE)]
    dotted = [[name.replace("/", ".") for name in row] for row in reversed(rows)]
    return [{name if name.startswith("dashboard") else f"core.{name}" for name in row} for row in dotted]


def test_the_map_has_the_floors_that_imports_are_held_to() -> None:
    def is_there(unit: str) -> bool:
        path = PROJECT_ROOT / unit.replace(".", "/")
        return path.is_dir() or path.with_suffix(".py").is_file()

    expected = [there for floor in FLOORS if (there := {unit for unit in floor if is_there(unit)})]
    assert floors_in(section("core/README.md", "Where things are")) == expected


def missing_functions(root: Path, text: str) -> list[str]:
    """Functions and methods that a table of the walks names and that are not in the file it names."""
    missing = []
    for name, file in re.findall(r"^\| `(\w+)` \| `([\w./]+)` \|", text, re.MULTILINE):
        tree = ast.parse((root / file).read_text())
        if name not in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}:
            missing.append(f"{file}: {name}")
    return missing


def test_the_walks_pass_functions_that_are_there() -> None:
    walks = section("core/README.md", "Four walks")
    assert walks.count("\n| function | file |") == 4
    assert missing_functions(PROJECT_ROOT, walks) == []


def test_a_step_of_a_walk_that_is_not_there_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("class Recorder:\n    def step(self): ...\n")
    assert missing_functions(tmp_path, "| `step` | `a.py` | x |\n| `gone` | `a.py` | x |") == ["a.py: gone"]
