"""The seven expressions as what the parts of a face do, and how strongly one person shows them."""

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np


@dataclass(frozen=True)
class Expression:
    """What the parts of a face do; all 0 is a face at rest, 1 is strong."""

    brow_inner: float = 0.0  # up; negative: pulled down and together
    brow_outer: float = 0.0
    eye: float = 0.0  # opened wide; negative: narrowed
    cheek: float = 0.0  # raised, so that the lower lid bulges
    nose: float = 0.0  # wrinkled
    corners: float = 0.0  # of the mouth, up; negative: down
    width: float = 0.0  # of the mouth
    jaw: float = 0.0  # mouth open
    lip: float = 0.0  # upper lip raised
    teeth: float = 0.0  # shown where the mouth is open


_EXPRESSIONS: Final[dict[str, tuple[Expression, ...]]] = {
    "angry": (
        Expression(brow_inner=-1.0, brow_outer=0.25, eye=-0.15, corners=-0.35, width=-0.15),
        Expression(brow_inner=-1.0, brow_outer=0.3, eye=0.15, nose=0.3, corners=-0.25, jaw=0.45, teeth=1.0, width=0.1),
    ),
    "disgust": (
        Expression(brow_inner=-0.55, brow_outer=-0.1, eye=-0.55, cheek=0.6, nose=1.0, corners=-0.5, lip=0.8),
        Expression(brow_inner=-0.5, eye=-0.5, cheek=0.5, nose=1.0, corners=-0.4, lip=1.0, jaw=0.3, teeth=0.7),
    ),
    "fear": (
        Expression(brow_inner=0.95, brow_outer=0.1, eye=0.75, corners=-0.35, width=0.35, jaw=0.4, teeth=0.6),
        Expression(brow_inner=0.9, brow_outer=0.35, eye=0.8, corners=-0.15, width=-0.05, jaw=0.65),
    ),
    "happy": (
        Expression(brow_outer=0.1, eye=-0.2, cheek=0.8, corners=1.0, width=0.45),
        Expression(brow_inner=0.1, brow_outer=0.2, eye=-0.3, cheek=1.0, corners=1.0, width=0.5, jaw=0.45, teeth=1.0),
    ),
    "neutral": (Expression(),),
    "sad": (
        Expression(brow_inner=0.8, brow_outer=-0.55, eye=-0.35, corners=-0.8, width=-0.1),
        Expression(brow_inner=0.6, brow_outer=-0.35, eye=-0.6, corners=-0.5, jaw=0.1),
    ),
    "surprise": (
        Expression(brow_inner=0.9, brow_outer=0.9, eye=0.85, width=-0.5, jaw=0.95),
        Expression(brow_inner=0.8, brow_outer=1.0, eye=0.75, width=-0.35, jaw=0.55),
    ),
}


def act(label: str, rng: np.random.Generator) -> Expression:
    """An expression as one person shows it: some strongly, some hardly, none exactly."""
    variants = _EXPRESSIONS[label]
    ideal = variants[rng.integers(len(variants))]
    strength = 0.12 + 0.95 * rng.beta(1.9, 1.6)
    shown = {part.name: strength * getattr(ideal, part.name) + rng.normal(0, 0.16) for part in fields(ideal)}
    # A closed mouth stays closed and a smooth nose smooth; what varies there is noise that nobody has.
    for name in ("jaw", "nose", "cheek", "lip"):
        shown[name] = max(0.0, shown[name] - 0.1) if getattr(ideal, name) == 0 else max(0.0, shown[name])
    return replace(ideal, **shown)
