"""Who may import whom, and what may be tracked. Each rule is a function from a tree to a list of offences: one test
asks it about this project, another proves on a small offending tree that it can say no."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import PROJECT_ROOT

FLOORS = {
    "dashboard": 5,
    "core.worker": 5,
    "core.__main__": 6,
    "core.cli.data": 5,
    "core.cli.bench": 5,
    "core.cli.runs": 5,
    "core.cli.export": 5,
    "core.cli.labels": 5,
    "core.cli.predict": 5,
    "core.training": 4,
    "core.jobs": 4,
    "core.prediction": 4,
    "core.cli.options": 4,
    "core.cli.reference": 4,
    "core.runs": 3,
    "core.config": 2,
    "core.data": 2,
    "core.evaluation": 2,
    "core.models.cnn": 1,
    "core.models.preprocess": 1,
    "core.labels": 0,  # the ground: no file here imports another of ours
    "core.errors": 0,
    "core.files": 0,
    "core.splits": 0,
    "core.processes": 1,
    "core.cli.progress": 0,
}
WITHOUT_TORCH = ("core.runs", "core.jobs", "core.config", "core.files", "core.worker", "core.__main__", "dashboard")
"""Importing any of these must not import torch, which takes seconds."""

MAY_LOAD_TORCH = {("core.comparison.reproduction", "core.models.cnn")}
"""Module and what it imports inside a function: weights are compared by the worker only, which has torch loaded."""

TOP_LEVEL = set(
    "dashboard core runs tests requirements.txt README.md .streamlit pyproject.toml LICENSE CHANGELOG.md .ci "
    ".gitignore .gitattributes".split()
)


@dataclass(frozen=True)
class Import:
    """One import statement of one module."""

    module: str
    target: str
    """The imported module; of `from a import b`, `a.b` where that is a module of the tree."""
    line: int
    at_import: bool
    """Runs when the module is imported: not inside a function, nor only for type checkers."""

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def read_imports(root: Path) -> list[Import]:
    """Every import statement below core/ and dashboard/ of a tree."""
    paths = {
        _module_name(path.relative_to(root)): path
        for top in ("core", "dashboard")
        for path in (root / top).rglob("*.py")
    }
    found = []
    for module, path in paths.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node, at_import in _statements(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            else:
                base = node.module or ""
                if node.level:
                    above = package.split(".")[: len(package.split(".")) - node.level + 1]
                    base = ".".join([*above, *filter(None, [node.module])])
                members = [f"{base}.{alias.name}" for alias in node.names]
                targets = [member if member in paths else base for member in members]
            found += [Import(module, target, node.lineno, at_import) for target in dict.fromkeys(targets)]
    return found


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _statements(node: ast.AST, at_import: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_import
            continue
        lazy = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield from _statements(child, at_import and not lazy and not typing)


def _within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _unit(module: str) -> str | None:
    """The entry of FLOORS that a module belongs to."""
    return next((name for name in FLOORS if _within(module, name)), None)


# --- the rules


def streamlit_in_core(root: Path) -> list[str]:
    return [
        str(each) for each in read_imports(root) if _within(each.module, "core") and _within(each.target, "streamlit")
    ]


def torch_in_runs_and_jobs(root: Path) -> list[str]:
    """Not even inside a function, nor by way of another module; but where `MAY_LOAD_TORCH` allows it."""
    light = ("core.runs", "core.jobs")
    imports = read_imports(root)
    graph = _at_import(imports)
    return [
        str(each)
        for each in imports
        if _within(each.module, *light)
        and (each.module, each.target) not in MAY_LOAD_TORCH
        and (_within(each.target, "torch") or _chains_to_torch(graph, each.target))
    ]


def torch_at_import(root: Path) -> list[str]:
    """Chains of imports from a module that must be quick to import to torch."""
    graph = _at_import(read_imports(root))
    starts = [module for module in graph if _within(module, *WITHOUT_TORCH)]
    return [" -> ".join(chain) for start in starts for chain in _chains_to_torch(graph, start)]


def _at_import(imports: list[Import]) -> dict[str, set[str]]:
    """Module to the modules, and their packages, that its import imports."""
    graph: dict[str, set[str]] = {}
    for each in imports:
        if each.at_import:
            parents = each.target.split(".")
            graph.setdefault(each.module, set()).update(".".join(parents[: end + 1]) for end in range(len(parents)))
    return graph


def _chains_to_torch(graph: dict[str, set[str]], start: str) -> list[list[str]]:
    found, chains, seen = [], [[start]], {start}
    while chains:
        chain = chains.pop()
        for target in sorted(graph.get(chain[-1], set()) - seen):
            seen.add(target)
            chains.append([*chain, target])
            if target == "torch":
                found.append([*chain, target])
    return found


def private_torch(root: Path) -> list[str]:
    """What begins with an underscore may be gone with the next version of torch."""
    return [
        f"{path.relative_to(root)}:{node.lineno} uses {ast.unparse(node)}"
        for path in sorted((root / "core").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and re.match(r"torch(\.\w+)*\._[a-z]", ast.unparse(node))
    ]


def upward_imports(root: Path) -> list[str]:
    """A file imports only from floors below its own, or from its own package."""
    offences = []
    for each in read_imports(root):
        if each.module == "core" or not _within(each.target, "core", "dashboard") or each.target == "core":
            continue
        own, other = _unit(each.module), _unit(each.target)
        if own is None or other is None:
            offences.append(f"{each}: one of them has no floor")
        elif own != other and FLOORS[own] <= FLOORS[other]:
            offences.append(f"{each}: from floor {FLOORS[own]} to floor {FLOORS[other]}")
    return offences


def heavy_modules_after_import(root: Path) -> list[str]:
    """What a fresh interpreter has imported after all modules of core.runs and core.jobs."""
    code = (
        "import importlib, pkgutil, sys\n"
        "for package in ('core.runs', 'core.jobs'):\n"
        "    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, package + '.'):\n"
        "        importlib.import_module(found.name)\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules} & {'torch', 'streamlit', 'pandas', 'sklearn'}))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return result.stdout.split()


def unsafe_torch_load(root: Path) -> list[str]:
    """Calls of torch.load that would run code from the file, in Python and in the documents."""
    offences = []
    for path in (root / name for name in tracked_files(root)):
        if path.suffix == ".py" and path.exists():
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                    safe = any(key.arg == "weights_only" and ast.unparse(key.value) == "True" for key in node.keywords)
                    offences += [] if safe else [f"{path.name}:{node.lineno}"]
                if isinstance(node, ast.Assign | ast.ImportFrom) and re.search(
                    r"\btorch\.load\b(?!\()|from torch import .*\bload\b", ast.unparse(node)
                ):
                    offences.append(f"{path.name}:{node.lineno}")
        elif path.suffix == ".md" and path.exists():
            calls = re.findall(r"torch\.load\([^\n]*", path.read_text())
            offences += [f"{path.name}: {call}" for call in calls if "weights_only=True" not in call]
    return offences


def strangers_at_the_top(root: Path) -> list[str]:
    return sorted({name.split("/")[0] for name in tracked_files(root)} - TOP_LEVEL)


def absolute_paths(root: Path) -> list[str]:
    """Tracked files that know where this checkout lies."""
    place = re.compile(rb"(?<![\w/.-])" + re.escape(str(root)).encode() + rb"(?![\w-])")
    files = [root / name for name in tracked_files(root)]
    return [path.name for path in files if path.is_file() and place.search(path.read_bytes())]


def tracked_files(root: Path) -> list[str]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [name for name in listing.stdout.split("\0") if name]


RULES: dict[Callable[[Path], list[str]], dict[str, str]] = {
    streamlit_in_core: {"core/data/x.py": "def f():\n    import streamlit as st\n"},
    torch_in_runs_and_jobs: {"core/jobs/x.py": "def f():\n    from torch.nn import Linear\n"},
    private_torch: {"core/x.py": "import torch\ntorch._foreach_lerp_([], [], 0.5)\n"},
    torch_at_import: {
        "dashboard/views/x.py": "from dashboard import y\n",
        "dashboard/y.py": "from core.training.z import f\n",
        "core/training/__init__.py": "",
        "core/training/z.py": "import torch\n",
    },
    upward_imports: {"core/runs/x.py": "from core.jobs import control\n", "core/jobs/control.py": ""},
    heavy_modules_after_import: {
        "core/runs/__init__.py": "",
        "core/runs/x.py": "import pandas\n",
        "core/jobs/__init__.py": "",
        "pandas.py": "",
    },
    unsafe_torch_load: {"core/x.py": "import torch\nstate = torch.load('x.pt', weights_only=False)\n"},
    strangers_at_the_top: {"notes.txt": "remember the milk\n"},
    absolute_paths: {"runs/README.md": "see {root}/runs\n"},
}


def name_of(rule: Callable[[Path], list[str]]) -> str:
    return rule.__name__


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_this_project_keeps_the_rule(rule: Callable[[Path], list[str]]) -> None:
    assert rule(PROJECT_ROOT) == []


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_the_rule_can_be_broken(rule: Callable[[Path], list[str]], tmp_path: Path) -> None:
    for name, text in RULES[rule].items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{root}", str(tmp_path)))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    assert rule(tmp_path)


@pytest.mark.parametrize(
    ("module", "target", "allowed"),
    [
        ("reproduce", "core.models.cnn", True),
        ("reproduce", "core.training.z", False),
        ("reproduce", "torch", False),
        ("other", "core.models.cnn", False),
    ],
)
def test_torch_is_loaded_for_the_comparison_of_weights_alone(
    module: str, target: str, allowed: bool, tmp_path: Path
) -> None:
    for name, text in {
        f"core/runs/{module}.py": f"def f():\n    import {target}\n",
        "core/models/cnn.py": "import torch\n",
        "core/training/__init__.py": "",
        "core/training/z.py": "from core import models\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert (torch_in_runs_and_jobs(tmp_path) == []) is allowed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from core.training import z", ["core.worker:1 imports core.training.z"]),
        ("from core.training.z import f, g", ["core.worker:1 imports core.training.z"]),
        ("from .training.z import f", ["core.worker:1 imports core.training.z"]),
        ("import core.training.z as z", ["core.worker:1 imports core.training.z"]),
        ("if True:\n    from . import training", ["core.worker:2 imports core.training"]),
    ],
)
def test_every_way_to_import_is_seen(text: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "core" / "training").mkdir(parents=True)
    for name in ("__init__.py", "training/__init__.py", "training/z.py"):
        (tmp_path / "core" / name).touch()
    (tmp_path / "core" / "worker.py").write_text(text)
    assert [str(each) for each in read_imports(tmp_path)] == expected


def test_imports_for_type_checkers_and_inside_functions_cost_nothing_at_import(tmp_path: Path) -> None:
    (tmp_path / "dashboard").mkdir()
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\ndef f():\n    import torch\n"
    (tmp_path / "dashboard" / "x.py").write_text(text)
    assert [each.at_import for each in read_imports(tmp_path)] == [True, False, False]
    assert torch_at_import(tmp_path) == []
