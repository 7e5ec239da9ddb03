"""Weights files as people have them, made by a grammar: wrapping x prefix x precision x file format, and what may be
wrong with one. Each comes with the truth: the model that is in it, or what the refusal must say."""

import argparse
import gzip
import io
import pickle
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from core.models.cnn import build_model

State = dict[str, Tensor]


class Made(NamedTuple):
    """One file and the truth about it."""

    data: bytes
    words: tuple[str, ...]
    """The productions it was made by."""
    model: nn.Module | None
    """What it holds, with the weights as rounded by its precision; None: it is to be refused."""
    refusal: str = ""
    """Part of the message."""


def saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def _optimizer() -> dict[str, Any]:
    layer = nn.Linear(2, 2)
    adam = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    adam.step()
    return adam.state_dict()


def _scheme(key: str) -> Callable[[State], Any]:
    return lambda state: {"epoch": 3, key: state, "optimizer": _optimizer()}


WRAPPINGS: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "ordered": OrderedDict,
    "beside numbers": lambda state: {**state, "epoch": 3},
    **{
        key: _scheme(key)
        for key in ("state_dict", "model_state_dict", "model", "net", "module", "weights", "network_fn_state_dict")
    },
    "two deep": lambda state: {"checkpoint": {"model": state}, "step": torch.tensor(7)},
    "tuple": lambda state: (3, state),
    "numpy accuracy": lambda state: {"net": state, "acc": np.float64(0.69), "per_class": np.zeros(7)},
    "arguments": lambda state: {
        "model": state,
        "args": argparse.Namespace(lr=0.1, out=Path("runs/1")),
        "counts": defaultdict(list, {"train": [1]}),
        "torch": torch.__version__,
    },
    "lightning": lambda state: {
        "epoch": 9,
        "global_step": 100,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": {**state, "criterion.weight": torch.ones(7)},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 9}}}},
        "callbacks": {"ModelCheckpoint{'monitor': 'val_acc'}": {"best_model_score": torch.tensor(0.7)}},
        "optimizer_states": [_optimizer()],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-3, "classes": 7},
    },
    "ema beside": lambda state: {"model": {key: value * 0 for key, value in state.items()}, "model_ema": state},
    "swa": lambda state: {"state_dict_swa": {"n_averaged": torch.tensor(4), **state}},
    "alias": lambda state: {"model": state, "best": state},
}
PREFIXES = (
    "",
    "module.",
    "model.",
    "net.",
    "_orig_mod.",
    "module._orig_mod.",
    "backbone.",
    "model.encoder.",
    "student_",
)
PRECISIONS = {"float32": torch.float32, "half": torch.float16, "bfloat16": torch.bfloat16, "double": torch.float64}
FORMATS: dict[str, Callable[[Any], bytes]] = {
    "zip": saved,
    "before 1.6": lambda value: saved(value, _use_new_zipfile_serialization=False),
    "safetensors": safetensors.torch.save,
}
FLAT = ("bare", "ordered")
"""What safetensors can hold: it knows no dicts in dicts."""


class Custom:
    """A class of somebody's training script."""


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def _zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("weights.pth", data)
    return buffer.getvalue()


def _changed(name: str, value: Tensor) -> Callable[[State], State]:
    return lambda state: {**state, name: value}


WRONG_STATES: dict[str, tuple[Callable[[State], Any], str]] = {
    "eight classes": (
        lambda state: state | {"classifier.6.weight": torch.zeros(8, 128), "classifier.6.bias": torch.zeros(8)},
        "classifier.6.weight is 8×128 instead of 7×128: 8 classes instead of 7. Choose weights for",
    ),
    "color": (
        _changed("conv_block1.0.weight", torch.zeros(6, 3, 3, 3)),
        "conv_block1.0.weight is 6×3×3×3 instead of 6×1×3×3: for color images instead of grayscale. Choose weights",
    ),
    "a layer less": (
        lambda state: {k: v for k, v in state.items() if k != "classifier.3.bias"},
        "classifier.3.bias is",
    ),
    "a layer more": (_changed("attention.weight", torch.zeros(3)), "is unknown. Choose a state_dict of CnnModel2"),
    "diverged": (_changed("classifier.6.bias", torch.full((7,), torch.nan)), "Choose an earlier checkpoint."),
    "quantized": (_changed("classifier.6.bias", torch.zeros(7, dtype=torch.int8)), "is int8). Save them as float32"),
}
WRONG_WRAPPINGS: dict[str, tuple[Callable[[State], Any], str]] = {
    "two models": (
        lambda state: {"first": state, "second": {key: value + 1 for key, value in state.items()}},
        "holds 2 different sets of weights (",
    ),
    "own class": (lambda state: {"model": state, "config": Custom()}, "Custom') and was not loaded"),
    "only numbers": (lambda state: {"epoch": 3, "history": [0.1]}, "the keys 'epoch', 'history'. Choose a state_dict"),
}
WRONG_FILES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut": (_cut, "Download or copy it again."),
    "zipped": (_zipped, "is a zip file with 'weights.pth' in it. Unpack it"),
    "gzipped": (lambda data: gzip.compress(data, 1), "is a gzip file. Unpack it"),
    "pickled": (lambda data: pickle.dumps({"weights": data}), "Save only its weights: `torch.save("),
}


def make(rng: np.random.Generator, wrong: bool) -> Made:
    """One file, from a seeded generator.

    Args:
        rng: decides on every production.
        wrong: whether something about it is wrong.
    """
    pick = lambda options: str(rng.choice(list(options)))  # noqa: E731
    torch.manual_seed(int(rng.integers(2**31)))
    name = "cnn-model-1" if wrong or rng.random() < 0.8 else "cnn-model-2"
    file_format = str(rng.choice(list(FORMATS), p=[0.45, 0.4, 0.15]))  # most wrappings do not fit into the last
    precision, prefix = pick(PRECISIONS), pick(PREFIXES)
    wrapping = pick(FLAT if file_format == "safetensors" else WRAPPINGS)
    model = build_model(name)
    for layer in model.modules():  # statistics as after training, for the outputs to depend on them
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean = torch.randn(layer.num_features)
            layer.running_var = 0.5 + torch.rand(layer.num_features)
            layer.num_batches_tracked.fill_(100)  # type: ignore[operator, union-attr]
    state = {
        key: value.to(PRECISIONS[precision]) if value.is_floating_point() else value
        for key, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    words: tuple[str, ...] = (file_format, precision, prefix, wrapping, name)
    wrap, change, refusal = WRAPPINGS[wrapping], (lambda data: data), ""
    if wrong:
        wrongs = [WRONG_STATES, WRONG_FILES] + [WRONG_WRAPPINGS] * (file_format != "safetensors")
        table: dict[str, tuple[Callable[[Any], Any], str]] = wrongs[int(rng.integers(len(wrongs)))]  # type: ignore[assignment]
        word = pick(table)
        mistake, refusal = table[word]
        words += (word,)
        if table is WRONG_STATES:
            state = mistake(state)
        elif table is WRONG_WRAPPINGS:
            wrap = mistake
        else:
            change = mistake
    prefixed = {prefix + key: value for key, value in state.items()}
    data = change(FORMATS[file_format](wrap(prefixed)))
    return Made(data, words, None if wrong else model.eval(), refusal)
