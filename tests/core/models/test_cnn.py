"""The networks: layers, names and sizes, against definitions written down here from the paper's description."""

from pathlib import Path

import pytest
import torch
from torch import nn

from core.errors import RunError
from core.models.cnn import MODELS, CnnModel1, CnnModel2, build_model
from core.models.state_dict import load_weights, same_tensors


class IndependentModel2(nn.Module):
    """CnnModel2 once more, spelled out layer by layer."""

    def __init__(self) -> None:
        super().__init__()
        for number, (inside, outside) in enumerate([(1, 64), (64, 128), (128, 256)], start=1):
            block = nn.Sequential(
                nn.Conv2d(inside, outside, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(outside, outside, 3, padding=1),
                nn.ReLU(),
                nn.BatchNorm2d(outside),
                nn.MaxPool2d(2),
            )
            setattr(self, f"conv_block{number}", block)
        self.classifier = nn.Sequential(
            nn.Linear(9216, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(128, 7),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.conv_block3(self.conv_block2(self.conv_block1(x))).flatten(1))


def test_model_2_is_the_papers_layer_by_layer() -> None:
    torch.manual_seed(0)
    ours, other = CnnModel2().eval(), IndependentModel2().eval()
    other.load_state_dict(ours.state_dict(), strict=True)
    x = torch.rand(3, 1, 48, 48)
    assert torch.equal(ours(x), other(x))
    assert sum(p.numel() for p in ours.parameters()) == 3_538_503
    names = list(ours.state_dict())
    assert names[0] == "conv_block1.0.weight"
    assert names[-1] == "classifier.6.bias"


def test_model_1_has_the_described_layers() -> None:
    model = CnnModel1()
    assert sum(p.numel() for p in model.parameters()) == 578_143
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [6, 16, 128]
    assert all(m.padding == (0, 0) and m.kernel_size == (3, 3) for m in convolutions)


@pytest.mark.parametrize("name", MODELS)
def test_output_is_seven_logits_that_train(name: str) -> None:
    model = build_model(name)
    logits = model(torch.rand(4, 1, 48, 48))
    assert logits.shape == (4, 7)
    logits.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_features_feed_the_classifier(name: str) -> None:
    model = build_model(name).eval()
    x = torch.rand(2, 1, 48, 48)
    assert torch.equal(model.classifier(model.features(x)), model(x))


def test_weights_survive_a_file(tmp_path: Path) -> None:
    model = CnnModel2().eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    x = torch.rand(2, 1, 48, 48)
    assert torch.equal(load_weights(tmp_path / "weights.pth", "cnn-model-2")(x), model(x))


def test_files_that_are_no_weights_are_refused_in_one_sentence(tmp_path: Path) -> None:
    whole = tmp_path / "whole.pth"
    torch.save(CnnModel1().state_dict(), whole)
    cases = {
        "missing.pth": None,
        "empty.pth": b"",
        "text.pth": b"not weights",
        "cut.pth": whole.read_bytes()[:5000],
        "zip.pth": b"PK\x03\x04" + bytes(100),
    }
    for name, content in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(RunError, match=name.replace(".", r"\.")) as caught:
            load_weights(tmp_path / name, "cnn-model-2")
        assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match="does not have the weights of cnn-model-2"):
        load_weights(whole, "cnn-model-2")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(RunError, match="is not a state_dict"):
        load_weights(tmp_path / "tensor.pth", "cnn-model-2")


def test_a_file_that_carries_code_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    torch.save({"x": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(RunError, match="corrupt or not a weights file"):
        load_weights(tmp_path / "evil.pth", "cnn-model-2")
    assert not (tmp_path / "ran").exists()


def saved(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


def test_weights_are_compared_tensor_by_tensor_to_the_bit(tmp_path: Path) -> None:
    state = CnnModel1().state_dict()
    first = saved(tmp_path / "a.pth", state)
    assert same_tensors(first, saved(tmp_path / "b.pth", {name: state[name].clone() for name in sorted(state)}))
    name = "classifier.6.bias"
    for value in (
        torch.nextafter(state[name], torch.tensor(9.0)),
        state[name].double(),
        state[name].view(7, 1),
        state[name][:6],
    ):
        assert not same_tensors(first, saved(tmp_path / "c.pth", {**state, name: value}))
    assert not same_tensors(first, saved(tmp_path / "c.pth", {**state, "more": state[name]}))


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]
)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_weights_of_any_shape_and_type_are_compared(tmp_path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    tensor = torch.ones(shape).to(dtype)
    first = saved(tmp_path / "a.pth", {"a": tensor, "b": torch.tensor([float("nan"), 0.0])})
    turned = tensor.mT.contiguous().mT if tensor.ndim == 2 else tensor
    assert same_tensors(first, saved(tmp_path / "b.pth", {"a": turned, "b": torch.tensor([float("nan"), 0.0])}))
    assert not same_tensors(first, saved(tmp_path / "c.pth", {"a": tensor, "b": torch.tensor([float("nan"), -0.0])}))
    if tensor.numel():
        assert not same_tensors(first, saved(tmp_path / "d.pth", {"a": tensor * 0, "b": torch.zeros(2)}))


def test_what_cannot_be_compared_is_explained(tmp_path: Path) -> None:
    whole = saved(tmp_path / "a.pth", {"a": torch.ones(2)})
    with pytest.raises(RunError, match="contains more than named tensors"):
        same_tensors(whole, saved(tmp_path / "b.pth", {"a": 1}))
    (tmp_path / "b.pth").write_bytes(b"not real weights")
    with pytest.raises(RunError, match="corrupt or not a weights file"):
        same_tensors(tmp_path / "b.pth", whole)
