"""Settings that do nothing while another one is off."""

from collections.abc import Mapping
from typing import Any, Final

from core.numbers import read_decimal

_ONLY_WITH: Final = {
    "muon_learning_rate": "optimizer",
    "muon_steps": "optimizer",
    "mixup_probability": "mixup_alpha",
    "distillation_temperature": "teachers",
    "distillation_weight": "teachers",
    "soft_label_weight": "soft_labels",
    "flip_mode": "flip",
    "jpeg_probability": "jpeg_quality",
    **{
        f"{name}_probability": name
        for name in ("rotation", "shift", "zoom", "brightness", "contrast", "blur", "sharpness", "noise")
    },
}
"""Settings that do nothing while another one is off; of optimizers, while it is not muon."""


def field_applies(name: str, values: Mapping[str, Any]) -> bool:
    """Whether a setting has an effect beside these values of the others, numbers as such or as they are typed."""
    if name not in _ONLY_WITH:
        return True
    other = values.get(_ONLY_WITH[name])
    if _ONLY_WITH[name] == "optimizer":
        return bool(other == "muon")
    try:
        return bool(read_decimal(other) if isinstance(other, str) else other)
    except ValueError:
        return True  # it is refused below the form, and what depends on it stays where it was
