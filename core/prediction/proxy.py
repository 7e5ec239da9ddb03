"""A stand-in for faces from photos, made from dataset images: enlarged, then cropped and shrunk as photos are.

A crop from a photo of many pixels is smoother than FER2013's images. A model that was trained on the latter may lose
accuracy on the former, and labelled photos are rare; this shows the loss on images whose labels are known.
"""

from typing import Final

import numpy as np
from PIL import Image

from core.data.decode import to_face
from core.prediction.faces import Region, crop_region

_ENLARGED: Final = 192
"""Side in pixels: that of a face in an ordinary photo. On the way back to 48 pixels the images get about as smooth as
faces from photos are; core/README.md has the figures (Smooth faces)."""
_FRAME: Final = (0, 0, _ENLARGED, _ENLARGED)


def photo_proxy(images: np.ndarray) -> np.ndarray:
    """Images as the faces of photos would reach the model.

    Args:
        images: uint8 (N, 48, 48).

    Returns:
        uint8 (N, 48, 48), in the same order and framing.
    """
    return np.stack([_through_a_photo(image) for image in images]) if len(images) else images.copy()


def _through_a_photo(image: np.ndarray) -> np.ndarray:
    photo = Image.fromarray(np.asarray(image)).resize((_ENLARGED, _ENLARGED), Image.Resampling.BILINEAR)
    return to_face(crop_region(photo, Region(_FRAME)))


def detail(images: np.ndarray) -> float:
    """Mean absolute difference of a pixel from the mean of its four neighbours, in gray levels: low where images are
    smooth. A slope, such as a shaded cheek, has none.

    Args:
        images: uint8 (N, 48, 48), N at least 1.
    """
    x = images.astype(np.float32)
    neighbours = (x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]) / 4
    return float(np.abs(x[:, 1:-1, 1:-1] - neighbours).mean())
