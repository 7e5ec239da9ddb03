"""Weights read without torch are those that torch reads, and nothing else is read."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RunError
from core.models import CnnModel1
from core.runs.weights import read_tensors


def test_a_network_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(CnnModel1().state_dict(), path)
    ours, theirs = read_tensors(path), torch.load(path, weights_only=True)
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.numpy().dtype and np.array_equal(ours[name], tensor.numpy())


@given(
    st.lists(st.integers(0, 4), max_size=4),
    st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int64, torch.uint8, torch.bool]),
    st.booleans(),
)
def test_any_shape_type_and_memory_layout(shape: list[int], dtype: torch.dtype, turned: bool) -> None:
    tensor = torch.randint(0, 2, [*shape, 3]).to(dtype)
    whole = {"a": tensor.transpose(0, -1) if turned else tensor, "b": tensor[..., 1:]}
    file = io.BytesIO()
    torch.save(whole, file)
    path = Path(f"/tmp/weights-{os.getpid()}.pth")
    try:
        path.write_bytes(file.getvalue())
        for name, read in read_tensors(path).items():
            assert np.array_equal(read, whole[name].numpy()) and read.shape == tuple(whole[name].shape)
    finally:
        path.unlink()


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("evil",)


def archive(path: Path, content: object, **storages: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", content if isinstance(content, bytes) else pickle.dumps(content, 2))
        for name, data in storages.items():
            file.writestr(f"archive/data/{name}", data)
    return path


def test_code_in_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no plain tensor"):
        read_tensors(archive(tmp_path / "w.pth", {"a": Evil()}))
    assert not (tmp_path / "evil").exists()


def test_what_is_missing_damaged_or_no_state_dict_is_explained(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"There is no w\.pth"):
        read_tensors(tmp_path / "w.pth")
    (tmp_path / "w.pth").write_bytes(b"not real weights")
    with pytest.raises(RunError, match="damaged or no file of weights"):
        read_tensors(tmp_path / "w.pth")
    for content in (b"\x80\x02K", [1], {"a": 1}, {"a": {"b": 2}}):
        with pytest.raises(RunError, match=r"damaged|more than named tensors"):
            read_tensors(archive(tmp_path / "w.pth", content))


def test_a_tensor_that_reaches_beyond_its_bytes_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.arange(6.0).reshape(2, 3)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as file:
        [name] = [each for each in file.namelist() if each.endswith("data.pkl")]
        pickled = file.read(name)
    with pytest.raises(RunError, match="cut off"):
        read_tensors(archive(tmp_path / "short.pth", pickled, **{"0": b"\0" * 20}))
    longer = pickled.replace(b"K\x02K\x03\x86", b"K\x02K\x09\x86", 1)
    assert longer != pickled
    with pytest.raises(RunError, match="beyond its storage"):
        read_tensors(archive(tmp_path / "long.pth", longer, **{"0": b"\0" * 24}))
