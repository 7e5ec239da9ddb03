"""What the network is for is said in the same words everywhere."""

from core.exchange.intended_use import INTENDED_USE
from tests.conftest import PROJECT_ROOT


def test_the_readme_says_it_in_the_same_words() -> None:
    assert INTENDED_USE in " ".join((PROJECT_ROOT / "README.md").read_text().split())
