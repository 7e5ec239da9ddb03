"""Pictures from people who want a prediction: decoded as data sets are, by `core.data.decode`."""

from core.data.decode import FORMATS, MAX_BYTES, MAX_PIXELS, decode_image, display_name, to_face

__all__ = ["FORMATS", "MAX_BYTES", "MAX_PIXELS", "decode_image", "display_name", "to_face"]
