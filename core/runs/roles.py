"""What a run can be to another that learns from it."""

from typing import Final

from core.config import TrainConfig

PRETRAINED: Final = "Pretrained run"
TEACHER: Final = "Teacher"
SOFT_LABELER: Final = "Soft-label run"
ROLES: Final = {"initial_weights": PRETRAINED, "teachers": TEACHER, "soft_labels": SOFT_LABELER}
"""The settings that name runs to learn from, each with what such a run is called in messages."""


def learns_from_runs(config: TrainConfig) -> bool:
    """Whether the settings name any run to learn from."""
    return any(getattr(config, name) for name in ROLES)
