"""The weights of one of our models inside whatever a training script saved: under any key, with any prefix, beside
optimizers and settings. Only names and shapes decide; when they do not, the message says what was found."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from core.errors import FerError, quote
from core.labels import NUM_CLASSES
from core.models.cnn import MODELS, build_model

_DEEPEST: Final = 4
"""Containers inside each other that are searched."""
_WRAPPERS: Final = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of a name that DataParallel, torch.compile, FSDP and activation checkpointing add, anywhere in it."""
_NO_LAYER: Final = re.compile(r"n_averaged|(.*[._])?(criterion|loss|loss_fn|metrics?|class_weights?|\w+_acc)([._].*)?")
"""Tensors that training leaves beside the layers: AveragedModel's counter, weights of a loss, metrics."""
_LONGEST: Final = 200
"""Characters of a name that are looked at, so that matching ends in time."""
_AVERAGED: Final = frozenset({"ema", "swa", "avg", "average", "averaged"})
_COUNTER: Final = ".num_batches_tracked"
"""Of a BatchNorm: not used in evaluation, and missing before PyTorch 0.4.1."""


class WeightsError(FerError, ValueError):
    """A file that is not the weights of one of our models. The message is the end of a sentence that begins with the
    file's name where `unwrap` raises it, and whole where `read_weights` does."""


class Weights(NamedTuple):
    """The state dict of one of our models."""

    model: str
    """Which of `MODELS`."""
    tensors: dict[str, Tensor]
    """By the model's own names, in any floating-point precision."""
    where: str
    """Keys and prefix that lead to it, like `state_dict.model`; empty where the file holds it bare."""


def unwrap(value: Any) -> Weights:
    """The only weights of one of our models in what a file holds. Averaged (EMA) weights win over those they average,
    as they are the ones to predict with.

    Args:
        value: what `torch.load` returned, never trusted.

    Raises:
        WeightsError: there are none, several, or their shapes or numbers are those of no model.
    """
    expected = {name: _shapes(name) for name in MODELS}
    dicts = list(_dicts_of_tensors(value))
    found = [weights for path, tensors in dicts for weights in _ours(path, tensors, expected)]
    if not found:
        raise WeightsError(_what_else(value, [tensors for _, tensors in dicts], expected))
    for weights in found:  # all of them before any is compared: a tensor may claim to be larger than memory
        for name, tensor in weights.tensors.items():
            _check(name, tensor, expected[weights.model][name], MODELS[weights.model].__name__)
    return _choose(found)


def _shapes(model: str) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in build_model(model).state_dict().items()}


def _dicts_of_tensors(value: Any) -> Iterator[tuple[tuple[str, ...], dict[str, Tensor]]]:
    """Every dict with named tensors, with the keys that lead to it; each once, even if the file refers to it often."""
    seen: set[int] = set()
    level: list[tuple[tuple[str, ...], Any]] = [((), value)]
    for _ in range(_DEEPEST):
        deeper = []
        for path, each in level:
            if id(each) in seen or not isinstance(each, dict | list | tuple):
                continue
            seen.add(id(each))
            # `dict.items`, as a file can give the dicts in it attributes of any name
            items = dict.items(each) if isinstance(each, dict) else enumerate(each)
            deeper += [((*path, _shown(key)), inner) for key, inner in items if not isinstance(inner, Tensor)]
            if isinstance(each, dict) and (tensors := _named_tensors(each)):
                yield path, tensors
        level = deeper


def _shown(key: Any) -> str:
    """A key as text, whatever it is."""
    if isinstance(key, int) and abs(key) < 10**9:
        return str(key)
    return key[:60] if isinstance(key, str) else type(key).__name__


def _named_tensors(values: dict[Any, Any]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in dict.items(values) if isinstance(name, str) and isinstance(tensor, Tensor)}


def _ours(
    path: tuple[str, ...], tensors: dict[str, Tensor], expected: Mapping[str, Mapping[str, torch.Size]]
) -> Iterator[Weights]:
    """Each model whose names are all there after some prefix; none if layers are left that belong to no model."""
    plain = _without_wrappers(tensors)
    found, used = [], set[str]()
    for model, shapes in expected.items():
        anchor = next(iter(shapes))
        needed = {name for name in shapes if not name.endswith(_COUNTER)}
        for prefix in [name.removesuffix(anchor) for name in plain if name.endswith(anchor)]:
            inner = {name: plain[prefix + name] for name in shapes if prefix + name in plain}
            if needed <= inner.keys():
                used |= {prefix + name for name in inner}
                counted = {name: value for name, value in inner.items() if name in needed or _is_count(value)}
                found.append(Weights(model, counted, ".".join((*path, prefix[:60])).strip(".")))
    if all(_NO_LAYER.fullmatch(name[-_LONGEST:]) for name in plain.keys() - used):
        yield from found


def _is_count(tensor: Tensor) -> bool:
    return tensor.dtype == torch.int64 and tensor.dim() == 0 and not tensor.is_meta


def _without_wrappers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same under names without `_WRAPPERS`, unless two would become one."""
    plain = {
        ".".join(part for part in name.split(".") if part not in _WRAPPERS): value for name, value in tensors.items()
    }
    return plain if len(plain) == len(tensors) else tensors


def _choose(found: list[Weights]) -> Weights:
    """One of several: the averaged one, or the first if all hold the same.

    Raises:
        WeightsError: which is meant cannot be told.
    """
    averaged = [weights for weights in found if _AVERAGED & set(re.split(r"[^a-z]+", weights.where.lower()))]
    candidates = averaged or found
    first = candidates[0]
    if all(_same(first, other) for other in candidates[1:]):
        return first
    names = " and ".join(quote(weights.where or "the outermost") for weights in candidates[:3])
    raise WeightsError(
        f"holds {len(candidates)} different sets of weights ({names}). Save the one you mean alone, with torch.save."
    )


def _same(one: Weights, other: Weights) -> bool:
    return one.model == other.model and all(
        value.dtype == other.tensors[name].dtype and torch.equal(value, other.tensors[name])
        for name, value in one.tensors.items()
        if not name.endswith(_COUNTER)
    )


def _check(name: str, tensor: Tensor, shape: torch.Size, model: str) -> None:
    """
    Raises:
        WeightsError: the tensor has another shape, or does not hold plain floating-point numbers.
    """
    if tensor.shape != shape:
        hint = ""
        if name.startswith("classifier.6") and tensor.dim():
            hint = f": {len(tensor)} classes instead of {NUM_CLASSES}"
        elif name == "conv_block1.0.weight" and tensor.shape[1:2] == (3,):
            hint = ": for color images instead of grayscale"
        raise WeightsError(
            f"has the layers of {model}, but {name} is {_by(tensor.shape)} instead of {_by(shape)}{hint}. "
            f"Choose weights for 48×48 grayscale images and {NUM_CLASSES} classes."
        )
    if tensor.layout != torch.strided or tensor.is_meta or not (name.endswith(_COUNTER) or tensor.is_floating_point()):
        kind = str(tensor.dtype).removeprefix("torch.")
        raise WeightsError(
            f"has no plain floating-point weights ({name} is {kind}). Save them as float32, before quantization and "
            "pruning."
        )


def _by(shape: torch.Size) -> str:
    return "×".join(map(str, shape)) or "a single number"


# Parts of names that tell an architecture, the more specific first; torchvision's, timm's and Hugging Face's names.
_ARCHITECTURES: Final = (
    (r"denseblock\d+\.denselayer", "DenseNet"),
    (r"features\.\d+\.(squeeze|expand1x1)\.", "SqueezeNet"),
    (r"branch1x1|Mixed_\d|inception\d[a-e]\.", "Inception"),
    (r"relative_position_bias_table", "Swin Transformer"),
    (r"stages\.\d+\.blocks\.\d+\.(conv_dw|gamma)|features\.\d+\.\d+\.layer_scale", "ConvNeXt"),
    (r"encoder_layer_\d+\.|blocks\.\d+\.attn\.|encoder\.layer\.\d+\.attention|cls_token", "a vision transformer"),
    (r"features\.\d+\.\d+\.block\.|_conv_stem|conv_stem|_blocks\.\d+\._", "EfficientNet or MobileNetV3"),
    (r"features\.\d+\.conv\.\d", "MobileNetV2"),
    (r"features\.\d+\.block\.", "MobileNetV3"),
    (r"layer[1-4]\.\d+\.conv\d", "ResNet"),
    (r"block\d+\.rep\.\d", "Xception"),
    (r"model\.\d+\.(conv|cv\d)\.", "YOLO"),
    (r"lora_[AB]\b", "a LoRA adapter"),
    (r"features\.\d+\.weight", "VGG or AlexNet"),
)


def _what_else(value: Any, dicts: list[dict[str, Tensor]], expected: Mapping[str, Mapping[str, torch.Size]]) -> str:
    """What a file without our weights holds, as the end of a sentence that begins with its name."""
    wanted = "Choose a state_dict of CnnModel2 (.pth)."
    if not dicts:
        what = f"a dict with {_keys(value)}" if isinstance(value, dict) else f"a {type(value).__name__}"
        return f"has no state_dict, a dict of named tensors, but {what}. {wanted}"
    names = max((list(_without_wrappers(tensors)) for tensors in dicts), key=len)
    for pattern, architecture in _ARCHITECTURES:
        if match := next((name for name in names if re.search(pattern, name)), None):
            return f"looks like {architecture} ({quote(match)}), not CnnModel2 or CnnModel1. {wanted}"
    return f"has the weights of another model: {_difference(names, expected)}. {wanted}"


def _keys(value: Mapping[Any, Any]) -> str:
    shown = ", ".join(quote(_shown(key)) for key in list(value)[:5])
    return f"the keys {shown}{', …' if len(value) > 5 else ''}" if value else "no keys"


def _difference(names: list[str], expected: Mapping[str, Mapping[str, torch.Size]]) -> str:
    """In which names they differ from the model that is nearest."""
    shapes = max(expected.values(), key=lambda each: _overlap(names, each))
    here = {known: name for name in names for known in shapes if name.endswith(known)}
    missing = [name for name in shapes if name not in here and not name.endswith(_COUNTER)]
    others = [name for name in names if name not in here.values() and not _NO_LAYER.fullmatch(name[-_LONGEST:])]
    parts = [f"{missing[0]} is missing"] if missing else []
    if others:
        parts.append(f"{quote(others[0])} is unknown")
    return " and ".join(parts) or "one layer occurs twice"


def _overlap(names: list[str], shapes: Mapping[str, torch.Size]) -> int:
    return sum(name.endswith(tuple(shapes)) for name in names)
