"""The confusion matrix as a picture."""

import numpy as np

from core.exchange.confusion_image import draw_confusion
from core.labels import NUM_CLASSES


def test_a_cell_is_the_darker_the_larger_its_share_of_the_row() -> None:
    counts = np.zeros((NUM_CLASSES, NUM_CLASSES), int)
    counts[0, :3] = 70, 20, 10
    image = np.asarray(draw_confusion(counts.tolist()).convert("L"), int)
    top, left = image.shape[0] - 7 * 64 - 8, image.shape[1] - 7 * 64 - 8
    shades = [image[top + 2, left + 64 * column + 2] for column in range(NUM_CLASSES)]
    assert shades[0] < shades[1] < shades[2] < 255
    assert shades[3:] == [255] * 4
    assert image[top + 66, left + 2] == 255, "a class without images"


def test_every_class_and_every_count_is_written() -> None:
    image = np.asarray(draw_confusion(np.zeros((NUM_CLASSES, NUM_CLASSES), int).tolist()).convert("L"), int)
    top, left = image.shape[0] - 7 * 64 - 8, image.shape[1] - 7 * 64 - 8
    for index in range(NUM_CLASSES):
        along = slice(left + 64 * index, left + 64 * index + 62)
        assert image[20:top, along].min() < 128, "name of a column"
        assert image[top + 64 * index : top + 64 * index + 62, :left].min() < 128, "name of a row"
        assert image[top : top + 62, along].min() < 128, "a zero"
