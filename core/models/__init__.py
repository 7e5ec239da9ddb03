"""Models and their files: the architecture, its input, weights files and ONNX."""

from typing import Final

IMAGE_SIZE: Final = 48
"""Height and width of the model input, in pixels."""
