"""Uploaded weights: ours and the original project's are loaded, anything else is rejected with a reason."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.models.cnn import build_model
from core.models.state_dict import MAX_WEIGHTS_BYTES, WeightsError, read_weights


def saved(value: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def refusal(data: bytes, name: str = "mine.pth") -> str:
    with pytest.raises(WeightsError) as caught:
        read_weights(data, name)
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    return message


@pytest.mark.parametrize("name", ["cnn-model-2", "cnn-model-1"])
def test_the_state_dict_of_either_network_is_taken(name: str) -> None:
    torch.manual_seed(1)
    model = build_model(name)
    read, found = read_weights(saved(model.state_dict()), "fer2013_model_2.pth")
    assert found == name
    assert not read.training
    for key, value in model.state_dict().items():
        assert torch.equal(read.state_dict()[key], value)


def test_code_in_the_file_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    for data in (saved({"conv_block1.0.weight": Trap()}), pickle.dumps(Trap())):
        refusal(data)
    assert not (tmp_path / "ran").exists()


def test_everything_else_is_refused_with_its_reason() -> None:
    state = build_model("cnn-model-1").state_dict()
    assert "is not a valid weights file" in refusal(b"")
    assert "is not a valid weights file" in refusal(saved(state)[:5000])
    assert "is not a valid weights file" in refusal(saved(state, _use_new_zipfile_serialization=False))
    assert "too large (max 64 MB)" in refusal(bytes(MAX_WEIGHTS_BYTES + 1))
    assert "pickled objects other than tensors" in refusal(saved(build_model("cnn-model-1")))
    assert "pickled objects other than tensors" in refusal(saved([1, 2]))
    assert "another model (conv_block1.0.weight is missing)" in refusal(saved({"layer.weight": torch.zeros(3)}))
    assert "another model" in refusal(saved({**state, "more": torch.zeros(1)}))
    assert "another model" in refusal(saved(dict.fromkeys(state, 0)))
    eight = build_model("cnn-model-1").state_dict() | {"classifier.6.weight": torch.zeros(8, 128)}
    assert "Shape mismatch in 'mine.pth': expected CnnModel1 with 7 classes." in refusal(saved(eight))
    diverged = state | {"classifier.6.bias": torch.full((7,), float("nan"))}
    assert "contain NaN or Inf" in refusal(saved(diverged))
    assert refusal(b"", "../../x\n.pth").startswith("'x .pth' is not a valid")


def test_a_file_that_unpacks_to_far_more_is_refused_before_it_does() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(MAX_WEIGHTS_BYTES + 1))
    assert "unpacks to more than 64 MB" in refusal(buffer.getvalue())


def test_random_changes_are_refused_or_harmless() -> None:
    whole = saved(build_model("cnn-model-1").state_dict())
    rng = np.random.default_rng(0)
    for _ in range(30):
        changed = bytearray(whole)
        for place in rng.integers(0, 3000, 3):
            changed[place] = rng.integers(0, 256)
        try:
            read_weights(bytes(changed), "x.pth")
        except WeightsError as error:
            assert str(error).endswith(".")  # noqa: PT017
