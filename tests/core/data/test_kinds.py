"""What wrong files are called."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.kinds import advice_for, kind_of, kind_of_bytes, kind_of_members


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"", "an empty file"),
        (bytes(5000), "nothing but zero bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        (b"\n <!DOCTYPE html><html>", "a web page"),
        (b"\xef\xbb\xbf<HTML>", "a web page"),
        (b"Rar!\x1a\x07\x01\0", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c\0", "a 7z archive"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras weights"),
        (b'{"username":"a","key":"b"}', "a Kaggle token"),
        (b'{"cells": []}', "a notebook"),
        (b"plain words", ""),
    ],
)
def test_first_bytes(start: bytes, kind: str) -> None:
    assert kind_of_bytes(start) == kind


def test_what_libraries_write_is_told_apart(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "weights.pth")
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "script.pt"))
    kinds = [kind_of_members(zipfile.ZipFile(tmp_path / name).namelist()) for name in ("weights.pth", "script.pt")]
    assert kinds == ["PyTorch weights", "a TorchScript model"]
    assert all("not a dataset" in advice_for(kind) for kind in kinds)
    torch.save({"a": torch.zeros(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    np.save(tmp_path / "a.npy", np.zeros(3))
    assert kind_of(tmp_path / "old.pth").startswith("a Python pickle")
    assert kind_of(tmp_path / "a.npy") == "a NumPy array"
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    assert kind_of_bytes(buffer.getvalue()) == "an empty zip file"
    assert kind_of_members(["train/happy/1.jpg", "data.csv"]) == ""
