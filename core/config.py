"""The settings of a training run: `TrainConfig`.

A setting is declared once, here, with its range and its description; the form on the Train page, the command line and
its reference (`core/cli/README.md`) are made from these fields.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic.types import StringConstraints
from pydantic_core import PydanticCustomError

from core.errors import ConfigError
from core.files import NAME
from core.numbers import read_decimal, read_integer

OLD_SCHEDULES: Final = {"one-cycle": "linear"}
"""Schedules by the names that older `config.json` files, links and command lines have for them."""


RunIds = tuple[Annotated[str, StringConstraints(pattern=rf"^{NAME}$")], ...]
"""Runs that a run learns from, by their ids."""


def _field(default: Any, group: str, description: str, **limits: Any) -> Any:
    """A field with its heading in the form; pydantic checks the limits."""
    return Field(default=default, description=description, json_schema_extra={"group": group}, **limits)


def _probability(operation: str, group: str = "Augmentation") -> Any:
    """A field for how often an operation is applied; it is drawn for every image, apart from other operations."""
    return _field(1.0, group, f"Probability per image that {operation}.", ge=0, le=1)


class TrainConfig(BaseModel):
    """All settings of one training run. Immutable; written once as `config.json` in the run folder."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    # --- what is trained on what
    model: Literal["cnn-model-2", "cnn-model-1"] = _field(
        "cnn-model-2", "Basics", "Model 2 of the paper, or its smaller Model 1."
    )
    dataset: str = _field("fer2013", "Basics", "Name of an imported dataset.", pattern=rf"^{NAME}$")
    epochs: int = _field(50, "Basics", "Number of training epochs.", ge=1, le=10_000)
    batch_size: int = _field(128, "Basics", "Images per optimizer step.", ge=2, le=8192)
    seed: int = _field(
        0, "Basics", "Random seed for initialization, data order, augmentation and dropout.", ge=0, le=2**31 - 1
    )
    images_per_epoch: int = _field(
        0, "Basics", "Images sampled per epoch, resampled every epoch; 0 = all.", ge=0, le=10_000_000
    )
    drop_train_duplicates: bool = _field(
        False, "Basics", "Exclude training images that are pixel-identical to a validation or test image."
    )

    corrections: str = _field(
        "", "Basics", "Name of the correction set to apply; empty for none.", pattern=rf"^({NAME})?$"
    )
    hold_out: Literal[
        "", "1/2", "2/2", "1/3", "2/3", "3/3", "1/4", "2/4", "3/4", "4/4", "1/5", "2/5", "3/5", "4/5", "5/5"
    ] = _field(
        "",
        "Basics",
        "Held-out fold: exclude one fold of the training images and score it at the end, such as 2/5, the second of "
        "five; empty for none.",
    )

    initial_weights: RunIds = _field(
        (),
        "Basics",
        "Runs whose best weights the training starts from (fine-tuning), their mean if there are several (model soup, "
        "Wortsman et al. 2022); empty for random initialization.",
    )

    # --- optimizer and schedule
    optimizer: Literal["adam", "adamw", "sgd", "muon"] = _field(
        "adam",
        "Optimizer",
        "Adam (L2), AdamW, SGD (Nesterov), or Muon for conv layers and AdamW for the rest.",
    )
    learning_rate: float = _field(1e-3, "Optimizer", "Peak learning rate.", gt=0, le=10)
    muon_learning_rate: float = _field(
        0.02, "Optimizer", "Peak learning rate of the conv layers with muon.", gt=0, le=10
    )
    muon_steps: int = _field(
        3,
        "Optimizer",
        "Newton–Schulz steps of muon: more bring the update nearer to an orthogonal matrix and take longer.",
        ge=1,
        le=10,
    )
    weight_decay: float = _field(
        1e-4, "Optimizer", "Weight decay; not applied to norm layers and biases with sgd, adamw and muon.", ge=0, le=1
    )
    schedule: Literal["constant", "cosine", "linear"] = _field(
        "constant",
        "Optimizer",
        "Learning rate schedule: constant, or linear warmup, then cosine or linear decay to zero.",
    )
    warmup_fraction: float = _field(0.0, "Optimizer", "Fraction of steps used for linear warmup.", ge=0, lt=1)
    gradient_clip: float = _field(0.0, "Optimizer", "Max gradient norm; 0 = off.", ge=0, le=1000)
    label_smoothing: float = _field(0.0, "Optimizer", "Label smoothing factor.", ge=0, lt=1)
    mixup_alpha: float = _field(
        0.0, "Optimizer", "Mixup α, the Beta distribution parameter (Zhang et al. 2018); 0 = off.", ge=0, le=10
    )
    mixup_probability: float = _probability("it is blended with another", "Optimizer")
    asam_rho: float = _field(
        0.0,
        "Optimizer",
        "Neighborhood size ρ of adaptive sharpness-aware minimization (Kwon et al. 2021), which takes a second forward "
        "and backward pass per step; 0 = off.",
        ge=0,
        le=10,
    )
    ema_decay: float = _field(
        0.0, "Optimizer", "EMA decay per step; the EMA weights are evaluated. 0 = off.", ge=0, lt=1
    )
    batch_norm_images: int = _field(
        0,
        "Optimizer",
        "Training images, without augmentation, whose batch norm statistics the evaluated weights get after an epoch; "
        "0 = the running averages of training.",
        ge=0,
        le=10_000_000,
    )
    early_stopping: int = _field(
        0, "Optimizer", "Early-stopping patience in epochs, on validation accuracy; 0 = off.", ge=0, le=10_000
    )

    # --- what is learned beside the labels
    teachers: RunIds = _field(
        (),
        "Distillation",
        "Runs whose predictions on the same augmented images are learned beside the labels (knowledge distillation, "
        "Hinton et al. 2015); several are averaged.",
    )
    distillation_temperature: float = _field(
        4.0, "Distillation", "Temperature that the logits of teachers and model are divided by.", gt=0, le=100
    )
    distillation_weight: float = _field(
        0.9, "Distillation", "Weight of the distillation loss; the loss on the labels has the rest.", ge=0, le=1
    )
    soft_labels: RunIds = _field(
        (),
        "Distillation",
        "Cross-validated runs, one per held-out fold, whose predictions of their fold are blended into the labels.",
    )
    soft_label_weight: float = _field(
        0.3, "Distillation", "Weight of the soft labels; the labels as imported have the rest.", ge=0, le=1
    )

    # --- augmentation, drawn for every image and epoch
    flip: bool = _field(True, "Augmentation", "Horizontal flip of half of the images.")
    flip_mode: Literal["random", "alternating"] = _field(
        "random",
        "Augmentation",
        "random draws the flip anew every time (p = 0.5); alternating draws it once per image and then flips in every "
        "other epoch (Jordan 2024).",
    )
    rotation: float = _field(10.0, "Augmentation", "Max rotation in degrees (±).", ge=0, le=180)
    rotation_probability: float = _probability("it is rotated")
    shift: float = _field(
        0.0, "Augmentation", "Max translation along each axis, as a fraction of the image size.", ge=0, le=1
    )
    shift_probability: float = _probability("it is translated")
    zoom: float = _field(0.0, "Augmentation", "Max scale change, as a fraction.", ge=0, lt=1)
    zoom_probability: float = _probability("it is scaled")
    padding: Literal["zeros", "border"] = _field(
        "zeros",
        "Augmentation",
        "What rotation, translation and scale bring in from outside: zeros is black, border repeats the edge.",
    )
    brightness: float = _field(
        0.0, "Augmentation", "Max brightness shift, as a fraction of the full range.", ge=0, le=1
    )
    brightness_probability: float = _probability("its brightness is shifted")
    contrast: float = _field(0.0, "Augmentation", "Max contrast change around the mean, as a fraction.", ge=0, le=1)
    contrast_probability: float = _probability("its contrast is changed")
    blur: float = _field(
        0.0, "Augmentation", "Max standard deviation of a Gaussian blur, in pixels; 0 = off.", ge=0, le=10
    )
    blur_probability: float = _probability("it is blurred")
    sharpness: float = _field(
        0.0,
        "Augmentation",
        "Max sharpness change (±): 1 is between Pillow's factors 0 (smoothed) and 2 (sharpened); 0 = off.",
        ge=0,
        le=10,
    )
    sharpness_probability: float = _probability("its sharpness is changed")
    noise: float = _field(
        0.0,
        "Augmentation",
        "Max standard deviation of additive Gaussian noise, as a fraction of the full range; 0 = off.",
        ge=0,
        le=1,
    )
    noise_probability: float = _probability("noise is added")
    jpeg_quality: int = _field(
        0,
        "Augmentation",
        "Lowest quality of simulated JPEG compression, which is drawn between it and 95; 0 = off.",
        ge=0,
        le=95,
    )
    jpeg_probability: float = _probability("it is compressed")
    erasing: float = _field(0.0, "Augmentation", "Random erasing probability.", ge=0, le=1)
    fade_epochs: int = _field(
        0,
        "Augmentation",
        "Number of final epochs over which augmentation (except flip) is ramped to zero.",
        ge=0,
        le=10_000,
    )

    # --- machine
    device: Literal["auto", "cpu", "cuda"] = _field("auto", "Machine", "auto uses a GPU if available.")
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = _field(
        "auto",
        "Machine",
        "auto uses bfloat16 if the hardware supports it natively, else float32. tf32 rounds the factors of matrix "
        "products to ten bits, on CUDA only.",
    )
    deterministic: bool = _field(
        False,
        "Machine",
        "On CUDA, use deterministic algorithms: two runs are bit-identical, as on a CPU. Slower.",
    )
    cuda_graph: bool = _field(
        True, "Machine", "Capture the training step as a CUDA graph, which saves launch time; without effect on a CPU."
    )
    compile: bool = _field(False, "Machine", "torch.compile the model; pays off on CUDA only.")
    threads: int = _field(0, "Machine", "CPU threads; 0 = all cores, split between concurrent runs.", ge=0, le=1024)
    checkpoint_seconds: int = _field(
        120, "Machine", "Checkpoint interval in seconds: the most work that a crash can cost.", ge=1, le=86_400
    )

    @field_validator("schedule", mode="before")
    @classmethod
    def _current_schedule(cls, value: Any) -> Any:
        return OLD_SCHEDULES.get(value, value) if isinstance(value, str) else value

    @field_validator("initial_weights", "teachers", "soft_labels", mode="before")
    @classmethod
    def _typed_list(cls, value: Any) -> Any:
        """Ids that were typed are separated by commas or spaces."""
        ids = value.replace(",", " ").split() if isinstance(value, str) else value
        if isinstance(ids, list | tuple) and len(set(map(str, ids))) < len(ids):
            raise PydanticCustomError("repeated", "name each run once")
        return ids

    @field_validator("*", mode="before")
    @classmethod
    def _typed_number(cls, value: Any, info: ValidationInfo) -> Any:
        """A number that was typed, into the form or a command line, means what its reader takes it for."""
        read = _READERS.get(cls.model_fields[str(info.field_name)].annotation)
        if read is None or not isinstance(value, str):
            return value
        try:
            return read(value)
        except ValueError as error:
            raise PydanticCustomError("typed_number", "{rule}", {"rule": str(error)}) from None


_READERS: Final[Mapping[Any, Callable[[str], float]]] = {float: read_decimal, int: read_integer}


def field_group(field: FieldInfo) -> str:
    """The tab of a field in the form."""
    assert isinstance(field.json_schema_extra, dict)
    return str(field.json_schema_extra["group"])


_FIELD_LABELS: Final = {
    "drop_train_duplicates": "Exclude train duplicates",
    "corrections": "Correction set",
    "hold_out": "Held-out fold",
    "muon_steps": "Newton–Schulz steps",
    "mixup_alpha": "Mixup α",
    "asam_rho": "ASAM ρ",
    "ema_decay": "EMA decay",
    "flip": "Horizontal flip",
    "shift": "Translation",
    "shift_probability": "Translation probability",
    "zoom": "Scale",
    "zoom_probability": "Scale probability",
    "jpeg_quality": "JPEG quality",
    "jpeg_probability": "JPEG probability",
    "erasing": "Random erasing",
    "fade_epochs": "Augmentation cool-down",
    "cuda_graph": "CUDA graph",
    "compile": "torch.compile",
    "checkpoint_seconds": "Checkpoint interval (s)",
}
"""Of fields whose name in `config.json` is no good label."""


def field_label(name: str) -> str:
    """What people read for a field: in the form, and in sentences about its value."""
    return _FIELD_LABELS.get(name, name.replace("_", " ").capitalize())


def as_typed(value: Any) -> Any:
    """A list of runs as it is typed, the ids separated by commas; the value of any other setting as it is."""
    return ",".join(value) if isinstance(value, list | tuple) else value


def parse_config(values: Mapping[str, Any]) -> TrainConfig:
    """Validated settings from a mapping (a form, a file, `--set` pairs).

    Raises:
        ConfigError: a sentence per wrong field that names it, its value and what is allowed.
    """
    try:
        return TrainConfig(**values)
    except ValidationError as error:
        raise ConfigError(" ".join(_explain(problem, values) for problem in error.errors())) from None


def _explain(problem: Any, values: Mapping[str, Any]) -> str:
    name = str(problem["loc"][0])
    value = values[name]  # as it was given: `input` is a number already
    if problem["type"] == "extra_forbidden":
        return f"Unknown setting {name!r}. Use one of {', '.join(TrainConfig.model_fields)}."
    if problem["type"] == "string_pattern_mismatch":
        allowed = "be a name of 1–64 characters: a–z, 0–9 and hyphens"
        if TrainConfig.model_fields[name].default == "":
            allowed += ", or empty"
        if TrainConfig.model_fields[name].default == ():
            allowed = "be IDs of runs, separated by commas"
    else:
        allowed = re.split(r", (?:unable to|got) ", problem["msg"].removeprefix("Input should "))[0]
    got = _as_given(value)
    if name in _FIELD_LABELS:  # who typed the name should find it again
        got = f"{name} = {got}"
    return f"{field_label(name)} must {allowed} (got {got})."


def _as_given(value: Any) -> str:
    """A refused value: a number as it was typed, other text in quotation marks."""
    if isinstance(value, str):
        return value if re.fullmatch(r"[\d.,+eE-]*\d[\d.,+eE-]*", value) else repr(value)
    return f"{value:g}" if isinstance(value, float) else repr(value)
