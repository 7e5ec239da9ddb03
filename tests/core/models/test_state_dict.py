"""Weights files of people: read in whatever wrapping they come, or refused with what they are and what to do."""

import io
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from core.data.identity import DataIdentity
from core.errors import RunError
from core.models.cnn import build_model
from core.models.onnx import write_onnx
from core.models.state_dict import load_weights, read_weights
from core.models.unwrap import WeightsError, unwrap
from core.models.weights_format import MAX_WEIGHTS_BYTES
from core.training.checkpoint import Parts, TrainingProgress, write_checkpoint
from tests.core.models.weights_grammar import (
    FORMATS,
    PRECISIONS,
    PREFIXES,
    WRAPPINGS,
    WRONG_FILES,
    WRONG_STATES,
    WRONG_WRAPPINGS,
    make,
    saved,
)


def refusal(data: bytes, name: str = "mine.pth") -> str:
    with pytest.raises(WeightsError) as caught:
        read_weights(data, name)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and len(message) < 320, message
    return message


@pytest.mark.parametrize("name", ["cnn-model-2", "cnn-model-1"])
def test_the_state_dict_of_either_model_is_read(name: str) -> None:
    torch.manual_seed(1)
    model = build_model(name)
    read = read_weights(saved(model.state_dict()), "fer2013_model_2.pth")
    assert (read.name, read.where) == (name, "")
    assert not read.model.training
    for key, value in model.state_dict().items():
        assert torch.equal(read.model.state_dict()[key], value)


def test_a_hundred_files_are_read_rightly() -> None:
    """The same logits as the model that was saved, to the last bit, and nothing on the terminal."""
    rng = np.random.default_rng(14)
    inputs = torch.rand(2, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    words = set()
    for _ in range(100):
        made = make(rng, wrong=False)
        words |= set(made.words)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read = read_weights(made.data, "mine.bin")
        assert made.model is not None
        with torch.no_grad():
            assert torch.equal(read.model(inputs), made.model(inputs)), made.words
        assert all(value.dtype == torch.float32 for value in read.model.parameters()), made.words
    assert {*WRAPPINGS, *PREFIXES, *PRECISIONS, *FORMATS} <= words, "every production was tried"


def test_sixty_wrong_files_are_refused_with_the_way_out() -> None:
    rng = np.random.default_rng(41)
    words = set()
    for _ in range(60):
        made = make(rng, wrong=True)
        words |= set(made.words)
        assert made.refusal in refusal(made.data), made.words
    assert {*WRONG_STATES, *WRONG_WRAPPINGS, *WRONG_FILES} <= words, "every mistake was tried"


@pytest.mark.parametrize("start", [b"\x80\x0c", b"PK", b"\x1f\x8b"], ids=["pickle", "zip", "gzip"])
def test_a_safetensors_header_whose_length_looks_like_another_format_is_read(start: bytes) -> None:
    state = build_model("cnn-model-1").state_dict()
    plain = safetensors.torch.save(state)
    length = int.from_bytes(plain[:8], "little")
    wanted = int.from_bytes(start, "little")
    padded = wanted.to_bytes(8, "little") + plain[8 : 8 + length] + b" " * (wanted - length) + plain[8 + length :]
    assert padded.startswith(start)
    assert read_weights(padded, "x.safetensors").name == "cnn-model-1"


def test_where_the_weights_were_is_said() -> None:
    state = build_model("cnn-model-1").state_dict()
    lightning = {"state_dict": {f"model.{key}": value for key, value in state.items()}, "epoch": 3}
    assert read_weights(saved(lightning), "x.ckpt").where == "state_dict.model"
    averaged = {"model": state, "model_ema": {key: value + 1 for key, value in state.items()}}
    assert read_weights(saved(averaged), "x.pth").where == "model_ema"
    assert read_weights(saved((3, {"net": state})), "x.pth").where == "1.net"
    wrapped = torch.nn.DataParallel(build_model("cnn-model-1"))
    assert read_weights(saved(wrapped.state_dict()), "x.pth").where == ""


def test_a_checkpoint_of_a_run_gives_its_ema_weights(tmp_path: Path) -> None:
    model, average = build_model("cnn-model-1"), build_model("cnn-model-1")
    optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(model.parameters())]
    for ema, where in ((None, "model"), (average, "average")):
        parts = Parts(model, optimizers, ema, DataIdentity("data")).copy()
        write_checkpoint(tmp_path / "checkpoint.pt", TrainingProgress(epoch=3), parts, b"the weights file of an epoch")
        read = read_weights((tmp_path / "checkpoint.pt").read_bytes(), "checkpoint.pt")
        assert read.where == where
        assert torch.equal(read.model.classifier[6].weight, (ema or model).classifier[6].weight)


def test_wrappers_inside_the_model_and_counters_of_any_age_do_no_harm() -> None:
    state = build_model("cnn-model-1").state_dict()
    compiled = {key.replace("conv_block1.", "conv_block1._orig_mod."): value for key, value in state.items()}
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    half = {key: value.half() for key, value in state.items()}  # the counters, too
    for each in (compiled, old, half):
        read = read_weights(saved(each), "x.pth").model.state_dict()
        assert torch.allclose(read["classifier.6.weight"], state["classifier.6.weight"], atol=1e-3)


def test_code_in_the_file_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    state = build_model("cnn-model-1").state_dict()
    for value in ({"conv_block1.0.weight": Trap()}, {"model": state, "args": Trap()}, Trap()):
        refusal(saved(value))
        refusal(saved(value, _use_new_zipfile_serialization=False))
        refusal(pickle.dumps(value))
    assert not (tmp_path / "ran").exists()


def test_other_architectures_are_named() -> None:
    import torchvision.models as zoo

    named = {
        "resnet18": "ResNet",
        "vgg11_bn": "VGG",
        "alexnet": "AlexNet",
        "densenet121": "DenseNet",
        "squeezenet1_1": "SqueezeNet",
        "mobilenet_v2": "MobileNetV2",
        "mobilenet_v3_small": "MobileNetV3",
        "efficientnet_b0": "EfficientNet",
        "convnext_tiny": "ConvNeXt",
        "vit_b_32": "a vision transformer",
        "swin_t": "Swin",
    }
    for maker, name in named.items():
        with torch.device("meta"):
            state = zoo.get_model(maker, weights=None).state_dict()
        with pytest.raises(WeightsError, match=rf"looks like .*{name}.*, not CnnModel2 or CnnModel1\. Choose"):
            unwrap({"state_dict": {f"module.{key}": value for key, value in state.items()}})


def exported(kind: str, tmp_path: Path) -> bytes:
    """A model as other exporters write it."""
    path, model = tmp_path / "model", build_model("cnn-model-1").eval()
    if kind == "onnx":
        write_onnx(model, path)
    elif kind == "torch.export":
        path = path.with_suffix(".pt2")
        torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),)), path)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.trace(model, torch.zeros(1, 1, 48, 48)), path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("TorchScript", "is a TorchScript model. Save its weights: `torch.save(torch.jit.load("),
        ("torch.export", "is a model of torch.export. Save its weights: `torch.save(torch.export.load("),
        ("onnx", "is an ONNX model. Choose the PyTorch weights"),
    ],
)
def test_exported_models_are_named(kind: str, part: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = exported(kind, tmp_path)
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert part in refusal(data)
    assert capfd.readouterr() == ("", "")


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"x")  # of 1980: the name of a test never depends on the time
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "is empty (0 bytes). Download or copy it again."),
        (b"no weights", "is not a valid weights file. Choose"),
        (b"\x80\x04", "is a pickle that torch.save did not write"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 14\n", "is a Git LFS pointer, not the file"),
        (b"\n<!DOCTYPE html>\n<html><head>", "is a web page, not the file itself. Download"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "is an XML file, as servers answer errors with. Download"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file, as Keras saves it. Only PyTorch"),
        (zipped("config.json", "model.weights.h5"), "is a Keras model. Only PyTorch"),
        (b"\x1c\0\0\0TFL3" + bytes(100), "is a TensorFlow Lite model. Only PyTorch"),
        (b"\x93NUMPY\1\0" + bytes(100), "is a NumPy array. Only PyTorch"),
        (zipped("conv1.npy", "conv2.npy"), "is a file of NumPy arrays (.npz). Only PyTorch"),
        (zipped(), "is a zip file with nothing in it"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "is a 7z file. Unpack it"),
        (bytes(257) + b"ustar" + bytes(300), "is a tar file. Unpack it"),
        (b"\x10\0\0\0\0\0\0\0{'not': 'JSON'  }", "is corrupt or incomplete. Download or copy it again."),
        (bytes(MAX_WEIGHTS_BYTES + 1), "is too large (max 64 MB; CnnModel2 has 14). Save only its weights"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value.split(".")[0].removeprefix("is ").replace(" ", "-"),
)
def test_what_is_no_weights_file_is_named(data: bytes, part: str) -> None:
    assert part in refusal(data)


def test_a_whole_model_is_refused_by_its_class() -> None:
    model = build_model("cnn-model-1")
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        assert "('core.models.cnn.CnnModel1') and was not loaded" in refusal(saved(model, **options))
    assert "has no state_dict, a dict of named tensors, but a list" in refusal(saved([1, 2]))
    assert "has no state_dict" in refusal(saved(dict.fromkeys(model.state_dict(), 0)))
    assert "'layer.weight' is unknown. Choose" in refusal(saved({"layer.weight": torch.zeros(3)}))
    assert "newer pickle protocol" in refusal(saved(model.state_dict(), pickle_protocol=4))
    assert refusal(b"", "../../x\n.pth").startswith("'x .pth' is empty")


def test_a_file_that_unpacks_to_far_more_is_refused_before_it_does() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(MAX_WEIGHTS_BYTES + 1))
    assert "unpacks to more than 64 MB" in refusal(buffer.getvalue())


def test_tensors_that_claim_more_than_they_hold_are_refused_at_once() -> None:
    """A view of one number can have any shape: it must never be copied or compared before its shape was checked."""
    state = build_model("cnn-model-1").state_dict()
    huge = state | {"classifier.0.weight": torch.zeros(1).expand(10**6, 10**6)}
    assert "classifier.0.weight is 1000000×1000000 instead of 256×2048" in refusal(saved({"a": huge, "b": huge}))
    meta = state | {"classifier.0.weight": torch.empty(256, 2048, device="meta")}
    sparse = state | {"classifier.0.weight": state["classifier.0.weight"].to_sparse()}
    for each in (meta, sparse):
        assert "has no plain floating-point weights" in refusal(saved(each))


def test_containers_that_refer_to_themselves_end_the_search() -> None:
    loop: dict[str, Any] = {"epoch": 1}
    loop["self"] = loop
    wide: Any = {}
    for _ in range(6):
        wide = {str(number): wide for number in range(200)}
    for value in (loop, wide):
        assert "has no state_dict" in refusal(saved(value))


def test_random_changes_are_refused_or_harmless() -> None:
    state = build_model("cnn-model-1").state_dict()
    rng = np.random.default_rng(0)
    for whole in (save(state) for save in FORMATS.values()):
        for _ in range(30):
            changed = bytearray(whole)
            for place in rng.integers(0, 3000, 3):
                changed[place] = rng.integers(0, 256)
            try:
                read_weights(bytes(changed), "x.pth")
            except WeightsError as error:
                assert str(error).endswith(".")  # noqa: PT017


def test_weights_of_a_run_that_diverged_are_refused(tmp_path: Path) -> None:
    state = build_model("cnn-model-1").state_dict()
    for value in (float("nan"), float("inf")):
        next(iter(state.values())).view(-1)[0] = value
        (tmp_path / "fer2013_model_2.pth").write_bytes(saved(state))
        with pytest.raises(RunError, match=r"^fer2013_model_2\.pth contains NaN or Inf .* Restore it from a backup\.$"):
            load_weights(tmp_path / "fer2013_model_2.pth", "cnn-model-1")
