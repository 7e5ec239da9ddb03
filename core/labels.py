"""The seven expressions: their names, their order and their colours, defined once for the whole project."""

from typing import Final

LABELS: Final = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Class names; the position is the class index (alphabetical, the order `torchvision.datasets.ImageFolder` gives)."""

NUM_CLASSES: Final = len(LABELS)

COLOURS: Final = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "neutral": "#999999",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
}
"""One colour per class, from the Okabe-Ito palette, which stays distinguishable with common colour blindness."""
