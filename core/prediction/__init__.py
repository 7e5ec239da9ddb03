"""From a user's image to a prediction: `from core.prediction import Predictor`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.prediction.predictor import Predictor

__all__ = ["Predictor"]


def __getattr__(name: str) -> Any:
    """`Predictor`, imported when it is first asked for: it brings torch, which takes seconds, and the pages that only
    decode an upload must not wait for that."""
    if name == "Predictor":
        from core.prediction.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
