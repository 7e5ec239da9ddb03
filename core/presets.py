"""The named starting points: what each trains, what it costs and the score to expect."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.config import TrainConfig, parse_config
from core.errors import ConfigError


@dataclass(frozen=True)
class Preset:
    """A named preset: what it is, what it costs, what to expect, and the settings that differ from the defaults.

    The cost is in epochs and images: how long they take here, `core.runs.estimate` tells.
    """

    name: str
    title: str
    description: str
    cost: str
    expect: str
    settings: Mapping[str, Any]

    @property
    def command(self) -> str:
        """The command line that starts it."""
        return f"python -m core train --preset {self.name}"

    @property
    def config(self) -> TrainConfig:
        return TrainConfig(**self.settings)


_BEST: Final[Mapping[str, Any]] = {
    "epochs": 45,
    "optimizer": "muon",
    "muon_learning_rate": 0.02,
    "learning_rate": 1e-3,
    "weight_decay": 0.03,
    "schedule": "linear",
    "warmup_fraction": 0.04,
    "label_smoothing": 0.1,
    "ema_decay": 0.999,
    "rotation": 12.0,
    "shift": 0.08,
    "zoom": 0.1,
    "brightness": 0.1,
    "contrast": 0.2,
    "fade_epochs": 3,
}

PRESETS: Final[dict[str, Preset]] = {
    preset.name: preset
    for preset in (
        Preset(
            name="original",
            title="Baseline (original)",
            description="Adam, constant learning rate 0.001, weight decay 1e-4, batch size 128, flip, rotation ±10°.",
            cost="50 epochs",
            expect="reported accuracy: 65.95% (best of 50 epochs, selected on the original test set, 7,178 images)",
            settings={},
        ),
        Preset(
            name="best",
            title="Best",
            description="Muon for conv layers, AdamW for the rest, linear decay, EMA weights, stronger augmentation.",
            cost="45 epochs",
            expect="69.9% test accuracy, 70.5% with flip TTA (± 1.5 pp, 95% CI)",
            settings=_BEST,
        ),
        Preset(
            name="short",
            title="Short",
            description="Best in 18 epochs: less augmentation, higher rates, batch norm statistics without it.",
            cost="18 epochs",
            expect="67.4% test accuracy, 68.2% with flip TTA (± 1.5 pp, 95% CI)",
            settings={
                **_BEST,
                "epochs": 18,
                "muon_learning_rate": 0.025,
                "learning_rate": 1.2e-3,
                "warmup_fraction": 0.05,
                "ema_decay": 0.998,
                "batch_norm_images": 4096,
                "flip_mode": "alternating",
                "rotation": 10.0,
                "shift": 0.06,
                "zoom": 0.08,
                "fade_epochs": 2,
            },
        ),
        Preset(
            name="distilled",
            title="Distilled",
            description="Best, continued: from the weights of one shipped run, with two as its teachers.",
            cost="19 epochs with two teachers",
            expect="70.8% test accuracy, 71.4% with flip TTA (± 1.5 pp, 95% CI)",
            settings={
                **_BEST,
                "epochs": 19,
                "initial_weights": ("reference-distilled",),
                "teachers": ("reference-cnn-model-2", "reference-distilled"),
                "distillation_weight": 0.7,
                "distillation_temperature": 1.5,
                "learning_rate": 5e-4,
                "muon_learning_rate": 0.01,
                "batch_norm_images": 4096,
                "flip_mode": "alternating",
                "shift": 0.12,
                "zoom": 0.15,
                "blur": 1.0,
                "blur_probability": 0.2,
                "fade_epochs": 2,
            },
        ),
        Preset(
            name="quick",
            title="Quick test",
            description="The small Model 1 in 20 short epochs: a first run that learns, or a smoke test.",
            cost="20 epochs of at most 7,000 images",
            expect="49% validation accuracy",
            settings={
                "model": "cnn-model-1",
                "epochs": 20,
                "images_per_epoch": 7000,
                "batch_size": 64,
                "optimizer": "muon",
                "muon_learning_rate": 0.02,
                "learning_rate": 3e-3,
                "weight_decay": 0.03,
                "schedule": "linear",
                "warmup_fraction": 0.1,
                "rotation": 0.0,
                "threads": 1,  # its layers are too small for more: beside other work, two were six times slower
            },
        ),
    )
}


OLD_PRESETS: Final = {"seed": "original"}
"""Presets by the names that older links and command lines have for them."""


def get_preset(name: str) -> Preset:
    """The preset of that name, present or old.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    try:
        return PRESETS[OLD_PRESETS.get(name, name)]
    except KeyError:
        raise ConfigError(f"Unknown preset {name!r}. Use one of {', '.join(PRESETS)}.") from None


def make_config(preset: str = "original", overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """A preset with some fields replaced; values may be strings, as the command line gives them.

    Raises:
        ConfigError: unknown preset or field, or a value outside its range; the message names all of them.
    """
    return parse_config({**get_preset(preset).settings, **(overrides or {})})
