"""Boxes around faces."""

from PIL import Image

from dashboard.views.predict.boxes import boxed


def test_boxes_and_names_stay_on_the_photo() -> None:
    photo = Image.new("RGB", (300, 200), "black")
    shown = boxed(photo, 0.5, [(-20, -10, 100, 100), (500, 300, 200, 200)], ["1 happy", "2 sad"], 1)
    assert shown.size == (300, 200)
    colours = {colour for _, colour in shown.getcolors(60_000) or []}
    assert (0xE6, 0x9F, 0x00) in colours and (0x00, 0x72, 0xB2) in colours
    assert photo.getcolors() == [(60_000, (0, 0, 0))]
