"""Who may import whom, which file tests which, and what may be tracked. Each rule is a function from a tree to a list
of offences: one test asks it about this project, another proves on a small offending tree that it can say no."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import PROJECT_ROOT

FLOORS = [
    {"core.errors", "core.labels", "core.splits", "core.files", "core.numbers", "core.text"},
    {"core.machine", "core.processes", "core.config", "core.dependent", "core.models"},
    {"core.presets"},
    {"core.data", "core.evaluation"},
    {"core.runs"},
    {"core.review", "core.comparison", "core.exchange"},
    {"core.training", "core.jobs", "core.prediction"},
    {"core.team"},
    {"core.bench"},
    {"core.cli", "core.worker"},
    {"core.__main__"},
    {"dashboard.state"},
    {"dashboard.ui", "dashboard.server"},
    {"dashboard.views"},
    {"dashboard.routes", "dashboard.api"},
    {"dashboard.frame"},
    {"dashboard.Home"},
]
"""Lowest first: a module imports only from floors below its own, or from its own package."""

WITHOUT_TORCH = (
    *("core.runs", "core.review", "core.jobs", "core.team", "core.config", "core.presets", "core.machine"),
    "core.files",
    *("core.cli", "core.worker", "core.__main__", "dashboard"),
)
"""Importing any of these must not import torch, which takes seconds."""

NEVER_TORCH = ("core.runs", "core.review", "core.jobs", "core.team")
"""Not even inside a function: these run in every command and in every page."""

BESIDE_THE_FOLDERS = {".streamlit", "Home.py", "__init__.py", "frame.py", "routes.py", "icon.svg", "screenshot.png"}
"""What may lie in `dashboard/` itself."""

ACTS = Path("core/team/actions")
"""The one door: each act of a person is a function here, named after what does it."""

BEYOND_THE_DOOR = {
    *("core.runs.create.create_run", "core.runs.create.write_meta", "core.runs.create.write_status"),
    *("core.jobs.queue.requeue", "core.jobs.queue.cancel_queued", "core.jobs.queue.fail_queued"),
}
"""What changes something too, beside what the acts call: nobody above `core.team` calls it."""

NO_ACT_OF_A_PERSON = ("core.bench", "core.worker")
"""Measurements, in folders of their own, and the training process itself."""

LONGEST_MODULE = 350
"""Lines: what is longer has a seam."""

ONE_NAME_SEVERAL_PLACES = {
    "log": "the logger of each module",
    "main": "the entry point of each script and process",
}
"""Public names that may be defined in several modules, and why."""

OF_NO_MODULE = {
    "core/runs/test_reference.py": "the run that is shipped with the project",
    "core/bench/test_faults.py": "what is killed, by whom, and how the rest is judged",
    "core/test_free_text.py": "what people type, on every way in",
    "core/test_old_names.py": "what older versions wrote, wherever it is read",
    "core/test_walks.py": "the ways through the code that core/README.md writes down",
    "dashboard/deploy/test_kit.py": "what puts up a server: files that are no modules",
    "dashboard/test_every_page.py": "what holds for all pages",
    "dashboard/test_roles.py": "what each role is offered on all pages",
    "dashboard/test_widget_keys.py": "keys that widgets of two pages must not share",
}
"""Below `tests/`: what is about several modules, and why it is not with one of them."""

TOP_LEVEL = set(
    "dashboard core runs tests requirements.txt requirements-ray.txt README.md .streamlit pyproject.toml LICENSE "
    "CHANGELOG.md .ci .gitignore .gitattributes".split()
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
    return next((name for floor in FLOORS for name in floor if _within(module, name)), None)


def _floor(unit: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if unit in floor)


# --- the rules


def streamlit_in_core(root: Path) -> list[str]:
    return [
        str(each) for each in read_imports(root) if _within(each.module, "core") and _within(each.target, "streamlit")
    ]


def torch_in_what_every_page_needs(root: Path) -> list[str]:
    return [
        str(each) for each in read_imports(root) if _within(each.module, *NEVER_TORCH) and _within(each.target, "torch")
    ]


def torch_at_import(root: Path) -> list[str]:
    """Chains of imports from a module that must be quick to import to torch."""
    graph: dict[str, set[str]] = {}
    for each in read_imports(root):
        if each.at_import:
            parents = each.target.split(".")
            graph.setdefault(each.module, set()).update(".".join(parents[: end + 1]) for end in range(len(parents)))
    offences = []
    for start in (module for module in graph if _within(module, *WITHOUT_TORCH)):
        chains, seen = [[start]], {start}
        while chains:
            chain = chains.pop()
            for target in sorted(graph.get(chain[-1], set()) - seen):
                seen.add(target)
                chains.append([*chain, target])
                if target == "torch":
                    offences.append(" -> ".join([*chain, target]))
    return offences


def upward_imports(root: Path) -> list[str]:
    """A file imports only from floors below its own, or from its own package."""
    offences = []
    for each in read_imports(root):
        if each.module in ("core", "dashboard") or each.target in ("core", "dashboard"):
            continue
        if not _within(each.target, "core", "dashboard"):
            continue
        own, other = _unit(each.module), _unit(each.target)
        if own is None or other is None:
            offences.append(f"{each}: one of them has no floor")
        elif own != other and _floor(own) <= _floor(other):
            offences.append(f"{each}: from floor {_floor(own)} to floor {_floor(other)}")
    return offences


def imports_between_views(root: Path) -> list[str]:
    """Pages do not know each other: what two of them draw is in `dashboard/ui`."""

    def view(module: str) -> str | None:
        return module.split(".")[2] if _within(module, "dashboard.views") and module.count(".") > 1 else None

    return [str(each) for each in read_imports(root) if view(each.target) and view(each.module) != view(each.target)]


def strangers_beside_the_pages(root: Path) -> list[str]:
    names = {
        Path(name).parts[1] for name in tracked_files(root) if name.startswith("dashboard/") and name.count("/") == 1
    }
    return sorted(names - BESIDE_THE_FOLDERS)


def long_modules(root: Path) -> list[str]:
    lengths = {
        path: len(path.read_text().splitlines()) for top in ("core", "dashboard") for path in (root / top).rglob("*.py")
    }
    return [
        f"{path.relative_to(root)} has {length} lines" for path, length in lengths.items() if length > LONGEST_MODULE
    ]


def folders_without_a_purpose(root: Path) -> list[str]:
    """Each package says in one sentence what it is for."""
    return [
        str(path.relative_to(root))
        for top in ("core", "dashboard")
        for path in (root / top).rglob("__init__.py")
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]


def names_with_two_meanings(root: Path) -> list[str]:
    """Public names defined at the top of two or more modules."""
    places: dict[str, set[str]] = {}
    for top in ("core", "dashboard"):
        for path in (root / top).rglob("*.py"):
            if path.is_relative_to(root / ACTS):
                continue  # an act is named after what it lets through
            for name in _public_names(ast.parse(path.read_text())):
                places.setdefault(name, set()).add(str(path.relative_to(root)))
    return [
        f"{name}: {', '.join(sorted(files))}"
        for name, files in sorted(places.items())
        if len(files) > 1 and name not in ONE_NAME_SEVERAL_PLACES
    ]


def _public_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))


def misplaced_tests(root: Path) -> list[str]:
    """Tests of `core/a/b.py` are in `tests/core/a/test_b.py`, and those of `__main__.py` in `test_main.py`."""
    offences = []
    for top in ("core", "dashboard"):
        for path in (root / "tests" / top).rglob("test_*.py"):
            place = path.relative_to(root / "tests")
            name = path.stem.removeprefix("test_")
            tested = [root / place.parent / file for file in (f"{name}.py", f"__{name}__.py")]
            if str(place) not in OF_NO_MODULE and not any(file.is_file() for file in tested):
                offences.append(f"{place} tests no module of its name")
    return sorted(offences)


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


def tables_past_the_guard(root: Path) -> list[str]:
    """Whatever a table shows can be downloaded from it: only `show_table` draws one, which lets no formula through."""
    drawn = {"dataframe", "data_editor", "table"}
    return [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in sorted((root / "dashboard").rglob("*.py"))
        if path.relative_to(root) != Path("dashboard/ui/table.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in drawn
    ]


def acts_past_the_door(root: Path) -> list[str]:
    """What the acts of `core.team` call once somebody may, and whatever else changes something, is called by no page
    and no command: they call the acts."""
    behind = {name for path in (root / ACTS).rglob("*.py") for name in _called_behind_the_door(path)} | BEYOND_THE_DOOR
    door = _floor("core.team")
    offences = []
    for path in (path for top in ("core", "dashboard") for path in sorted((root / top).rglob("*.py"))):
        module = _module_name(path.relative_to(root))
        unit = _unit(module)
        if unit is None or _floor(unit) <= door or _within(module, *NO_ACT_OF_A_PERSON):
            continue
        tree = ast.parse(path.read_text())
        meant = _imported_names(tree)
        offences += [
            f"{module}:{node.lineno} uses {name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Name | ast.Attribute) and (name := _full_name(node, meant)) in behind
        ]
    return offences


def acts_without_a_door(root: Path) -> list[str]:
    """Each function that takes an actor, behind which something is done, asks whether the actor may."""
    return [
        f"{path.relative_to(root)}: {node.name}"
        for path in sorted((root / ACTS).rglob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and [each.arg for each in node.args.args[:1]] == ["actor"]
        and not any(_is_door(each) for each in ast.walk(node))
    ]


def actors_kept_for_later(root: Path) -> list[str]:
    """A callback asks who presses: of who has seen the page being drawn, the role may have changed."""
    callbacks = {"args", "kwargs", "on_click", "on_change", "on_dismiss", "on_select", "on_key"}
    return [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in sorted((root / "dashboard").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg in callbacks
        for each in ast.walk(node.value)
        if ast.unparse(each) in ("me", "actor()")
    ]


def _is_door(node: ast.AST) -> bool:
    return isinstance(node, ast.With) and re.match(r"_?door\(", ast.unparse(node.items[0])) is not None


def _called_behind_the_door(path: Path) -> set[str]:
    """Full names of the functions of this project that are called inside `with door(...)`."""
    tree = ast.parse(path.read_text())
    meant = _imported_names(tree)
    inside = [line for node in ast.walk(tree) if isinstance(node, ast.With) and _is_door(node) for line in node.body]
    calls = [each.func for line in inside for each in ast.walk(line) if isinstance(each, ast.Call)]
    return {name for call in calls if (name := _full_name(call, meant)).startswith("core.")}


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """What the names that a file imports stand for, wherever in it they are imported."""
    return {
        each.asname or each.name: f"{node.module}.{each.name}" if isinstance(node, ast.ImportFrom) else each.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for each in node.names
    }


def _full_name(node: ast.expr, meant: dict[str, str]) -> str:
    """What `f`, `module.f` or `package.module.f` stands for; what is no such name stands for itself."""
    text = ast.unparse(node)
    known = [name for name in meant if text == name or text.startswith(f"{name}.")]
    return meant[known[0]] + text[len(known[0]) :] if known else text


def signs_written_elsewhere(root: Path) -> list[str]:
    """Format specifications with a plus, which write `+0` and a hyphen for a minus; `core.numbers.signed` does not."""
    return [
        f"{path.relative_to(root)}:{node.lineno}"
        for top in ("core", "dashboard")
        for path in sorted((root / top).rglob("*.py"))
        if path.relative_to(root) != Path("core/numbers.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.FormattedValue) and node.format_spec and "+" in ast.unparse(node.format_spec))
        or (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"%\+\.?\d*[dfge]", node.value)
        )
    ]


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
    torch_in_what_every_page_needs: {"core/jobs/x.py": "def f():\n    from torch.nn import Linear\n"},
    torch_at_import: {
        "dashboard/views/x.py": "from dashboard import y\n",
        "dashboard/y.py": "from core.training.z import f\n",
        "core/training/__init__.py": "",
        "core/training/z.py": "import torch\n",
    },
    upward_imports: {"core/runs/x.py": "from core.jobs import control\n", "core/jobs/control.py": ""},
    imports_between_views: {
        "dashboard/views/run/page.py": "from dashboard.views.runs import table\n",
        "dashboard/views/runs/table.py": "",
    },
    strangers_beside_the_pages: {"dashboard/widgets.py": ""},
    long_modules: {"core/runs/x.py": "x = 1\n" * (LONGEST_MODULE + 1)},
    folders_without_a_purpose: {"core/new/__init__.py": ""},
    names_with_two_meanings: {"core/a.py": "Row = int\n", "core/b.py": "class Row: ...\n"},
    misplaced_tests: {"core/runs/reader.py": "", "tests/core/runs/test_parts.py": ""},
    heavy_modules_after_import: {
        "core/runs/__init__.py": "",
        "core/runs/x.py": "import pandas\n",
        "core/jobs/__init__.py": "",
        "pandas.py": "",
    },
    unsafe_torch_load: {"core/x.py": "import torch\nstate = torch.load('x.pt', weights_only=False)\n"},
    tables_past_the_guard: {"dashboard/views/x.py": "def f(column, rows):\n    column.dataframe(rows)\n"},
    acts_past_the_door: {
        "core/team/actions/runs.py": "from core.jobs import control\ndef halt(actor):\n"
        "    with door(actor):\n        control.halt()\n",
        "dashboard/views/x.py": "from functools import partial\nfrom core.jobs import control as jobs\n"
        "act = partial(jobs.halt, 1)\n",
    },
    actors_kept_for_later: {"dashboard/x.py": "st.button('Stop', on_click=stop, args=(me, run))\n"},
    acts_without_a_door: {"core/team/actions/x.py": "def stop(actor, run):\n    control.stop(run)\n"},
    signs_written_elsewhere: {"core/x.py": "def f(gain):\n    return f'{gain:+.1f} pp'\n"},
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
