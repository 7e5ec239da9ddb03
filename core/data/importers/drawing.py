"""Synthetic faces: cartoons of the seven expressions, from a random generator."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from core.data.importers.expressions import Expression, act
from core.labels import LABELS
from core.models import IMAGE_SIZE

_SUPERSAMPLING: Final = 4
_CANVAS: Final = IMAGE_SIZE * _SUPERSAMPLING
_PORTRAIT_ZOOM: Final = 0.62
"""Size of the head in a portrait against that in a crop."""

Point = tuple[float, float]


def draw_face(label: int, rng: np.random.Generator) -> np.ndarray:
    """Draw one face.

    Args:
        label: class index, 0..6.
        rng: decides everything else; the same state draws the same face.

    Returns:
        uint8 (48, 48), 0..255.
    """
    face = _Face(rng)
    face.draw(act(LABELS[label], rng))
    return face.finish()


def draw_portrait(label: int, rng: np.random.Generator, side: int) -> Image.Image:
    """Draw one face with head and shoulders, as large as a photo, in colour and without grain.

    Args:
        label: class index, 0..6.
        rng: decides everything else; the same state draws the same face.
        side: of the square image, in pixels.

    Returns:
        RGB.
    """
    face = _Face(rng, side=2 * side, zoom=_PORTRAIT_ZOOM)
    face.draw(act(LABELS[label], rng))
    return ImageOps.colorize(face.image.reduce(2), black="#16182a", mid="#b0805f", white="#fff4e6")


class _Face:
    """One head on a canvas: everything about it but the expression."""

    def __init__(self, rng: np.random.Generator, side: int = _CANVAS, zoom: float = 1.0) -> None:
        self.rng = rng
        self.side = side
        self.skin = rng.uniform(85, 215)
        self.hair = rng.uniform(10, 70) if rng.random() < 0.75 else rng.uniform(120, 225)
        self.dark = max(8.0, 0.28 * self.skin - 8)  # brows, lashes, lines
        self.background = rng.uniform(15, 235)
        self.line = rng.uniform(0.045, 0.075)
        self.scale = zoom * rng.uniform(0.37, 0.46) * side
        self.centre = (side * rng.normal(0.5, 0.025), side * rng.normal(0.52, 0.025))
        self.angle = rng.normal(0, 0.09)
        self.yaw = rng.normal(0, 0.07)  # how far the inner parts shift towards where the head looks
        self.height = rng.uniform(1.15, 1.35)  # of the head, against its width
        self.jaw_shape = rng.uniform(0.08, 0.34)
        self.eye_gap = rng.uniform(0.38, 0.45)
        self.eye_size = rng.uniform(0.17, 0.215)
        self.eye_y = rng.uniform(-0.22, -0.13)
        self.mouth_y = rng.uniform(0.56, 0.66)
        self.mouth_width = rng.uniform(0.29, 0.38)
        self.brow_weight = rng.uniform(0.7, 1.5)
        self.lopsided = (rng.normal(0, 0.05), rng.normal(0, 0.05))
        self.image = Image.new("L", (side, side), round(self.background))
        self.pen = ImageDraw.Draw(self.image)

    # --- drawing in the face's own coordinates

    def place(self, points: Sequence[Point], inner: bool = True) -> list[Point]:
        """Canvas coordinates of points on the face; `inner` ones move with the turn of the head."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        placed = []
        for x, y in points:
            x += self.yaw * (1 - 0.5 * x * x) if inner else 0.0
            placed.append(
                (
                    self.centre[0] + self.scale * (x * cos - y * sin),
                    self.centre[1] + self.scale * (x * sin + y * cos),
                )
            )
        return placed

    def fill(self, points: Sequence[Point], shade: float, inner: bool = True) -> None:
        self.pen.polygon(self.place(points, inner), fill=_gray(shade))

    def stroke(self, points: Sequence[Point], shade: float, width: float) -> None:
        """A line with round ends; width in face coordinates."""
        pixels = max(2, round(width * self.scale))
        placed = self.place(points)
        self.pen.line(placed, fill=_gray(shade), width=pixels, joint="curve")
        for x, y in (placed[0], placed[-1]):
            self.pen.circle((x, y), (pixels - 1) / 2, fill=_gray(shade))

    # --- parts, from back to front

    def draw(self, expression: Expression) -> None:
        self._scene()
        self._head()
        for side in (-1, 1):
            self._eye(side, expression)
            self._brow(side, expression)
        self._nose(expression)
        self._mouth(expression)
        self._cheeks(expression)
        self._beard_and_glasses()
        self._fringe()

    def _scene(self) -> None:
        """Background with a soft gradient or shape, hair behind the head, neck and clothes."""
        rng = self.rng
        if rng.random() < 0.6:
            x, y = rng.uniform(0, self.side, size=2)
            radius = rng.uniform(0.3, 0.8) * self.side
            self.pen.circle((x, y), radius, fill=_gray(self.background + rng.uniform(-45, 45)))
        if rng.random() < 0.3:
            edge = rng.uniform(0, self.side)
            self.pen.rectangle((edge, 0, self.side, self.side), fill=_gray(self.background + rng.uniform(-50, 50)))
        self.image.paste(self.image.filter(ImageFilter.BoxBlur(7 * self.side / _CANVAS)))
        self.hair_style = rng.choice(["short", "long", "bald", "bun"], p=[0.45, 0.33, 0.1, 0.12])
        if self.hair_style == "long":
            self.fill(_ellipse(0, 0.15, rng.uniform(1.1, 1.25), 1.6), self.hair, inner=False)
        elif self.hair_style == "bun":
            self.fill(_ellipse(0, -self.height - 0.1, 0.4, 0.35), self.hair, inner=False)
        self.fill([(-0.45, 0.6), (0.45, 0.6), (0.5, 2.2), (-0.5, 2.2)], self.skin * 0.8, inner=False)
        self.fill(_ellipse(0, 2.35, 1.6, 0.85), rng.uniform(20, 225), inner=False)

    def _head(self) -> None:
        for side in (-1, 1):
            self.fill(_ellipse(side * 0.98, 0.05, 0.13, 0.24), self.skin * 0.88, inner=False)
        angles = np.linspace(0, 2 * np.pi, 60)
        narrowing = 1 - self.jaw_shape * np.clip(np.sin(angles), 0, 1) ** 2
        outline = _points(np.cos(angles) * narrowing, np.sin(angles) * self.height)
        self.fill(outline, self.skin, inner=False)
        # Light from one side: a darker rim opposite it, before anything is drawn on the skin.
        light = self.rng.choice([-1, 1]) * self.rng.uniform(0.05, 0.3)
        shadow = [(x if x * light < 0 else x * (1 - abs(light)), y) for x, y in outline]
        self.fill(outline, self.skin * self.rng.uniform(0.8, 0.92), inner=False)
        self.fill(shadow, self.skin, inner=False)

    def _eye(self, side: int, expression: Expression) -> None:
        x, y, size = side * self.eye_gap, self.eye_y, self.eye_size
        opening = size * min(max(0.52 + 0.5 * expression.eye + 0.1 * self.lopsided[0] * side, 0.1), 1.15)
        lower = opening * (0.75 - 0.35 * min(max(expression.cheek, 0.0), 1.0))
        slant = 0.03 * (expression.brow_inner - expression.brow_outer)
        across = np.linspace(-1, 1, 15)
        arch = 1 - across**2
        middle = y + slant * across * side * 1.2
        upper_lid = _points(x + across * size, middle - arch * opening)
        lower_lid = _points(x + across * size, middle + arch * lower)
        white = min(245.0, 60 + 0.85 * self.skin)
        self.fill(_ellipse(x, y - 0.02, size * 1.25, size * 0.95), self.skin * 0.93)  # the socket
        almond = upper_lid + lower_lid[::-1]
        self.fill(almond, white)
        self._iris(x, y, size, almond)
        self.stroke(upper_lid, self.dark, self.line)
        self.stroke(lower_lid, self.skin * 0.68, self.line * 0.6)
        if expression.cheek > 0.35:  # the bulge under a smiling or disgusted eye
            bulge = [(px, py + 0.09) for px, py in lower_lid[3:-3]]
            self.stroke(bulge, self.skin * 0.78, self.line * 0.6)

    def _iris(self, x: float, y: float, size: float, almond: list[Point]) -> None:
        """Iris, pupil and glint, cut off by the lids."""
        lids = Image.new("1", self.image.size)
        ImageDraw.Draw(lids).polygon(self.place(almond), fill=1)
        layer = self.image.copy()
        pen = ImageDraw.Draw(layer)
        (cx, cy), radius = self.place([(x + 0.3 * self.yaw, y - 0.01)])[0], 0.52 * size * self.scale
        pen.circle((cx, cy), radius, fill=_gray(self.dark * 1.3 + 12))
        pen.circle((cx, cy), radius * 0.5, fill=8)
        pen.circle((cx - radius * 0.35, cy - radius * 0.4), radius * 0.25, fill=235)
        self.image.paste(layer, mask=lids)

    def _brow(self, side: int, expression: Expression) -> None:
        x, y = side * self.eye_gap, self.eye_y - 0.30
        inner = y - 0.17 * expression.brow_inner + self.lopsided[1] * side * 0.4
        outer = y - 0.15 * expression.brow_outer + self.lopsided[1] * side * 0.4
        pulled = 0.05 * min(0.0, expression.brow_inner)  # frowning brings the brows together
        arch = 0.05 + 0.05 * max(0.0, expression.brow_outer)
        across = np.linspace(0, 1, 10)
        curve = _points(
            x + side * ((2 * across - 1) * 0.25 + pulled * (1 - across)),
            inner + (outer - inner) * across - arch * np.sin(np.pi * across),
        )
        shade = 0.5 * self.dark + 0.5 * min(self.hair, 0.6 * self.skin)
        self.stroke(curve[:7], shade, self.line * 1.25 * self.brow_weight)
        self.stroke(curve[5:], shade, self.line * 0.9 * self.brow_weight)
        if side == 1 and expression.brow_inner < -0.45:
            for offset in (-0.055, 0.055):
                self.stroke([(offset, y - 0.02), (offset * 0.9, y + 0.13)], self.skin * 0.7, self.line * 0.6)
        if side == 1 and min(expression.brow_inner, expression.brow_outer) > 0.5:
            for height in (-0.27, -0.38):
                self.stroke([(-0.3, y + height), (0, y + height - 0.03), (0.3, y + height)], self.skin * 0.85, 0.03)

    def _nose(self, expression: Expression) -> None:
        tip = 0.26 - 0.06 * max(0.0, expression.nose)
        wide = 0.13 + 0.04 * max(0.0, expression.nose)
        shade = self.skin * 0.72
        self.stroke([(0.05, self.eye_y + 0.1), (0.09, tip - 0.12)], self.skin * 0.84, self.line * 0.8)
        self.stroke([(-wide, tip), (-0.05, tip + 0.06), (0.05, tip + 0.06), (wide, tip)], shade, self.line * 0.9)
        if expression.nose > 0.3:
            for side in (-1, 1):
                for step in (0.0, 0.09):
                    line = [(side * 0.04, self.eye_y + 0.05 + step), (side * 0.15, self.eye_y - 0.02 + step)]
                    self.stroke(line, self.skin * 0.68, self.line * 0.65)

    def _mouth(self, expression: Expression) -> None:
        half = self.mouth_width * (1 + 0.42 * expression.width)
        y = self.mouth_y
        lift = 0.2 * expression.corners
        gap = 0.5 * max(0.0, expression.jaw - 0.08)
        raised = 0.12 * max(0.0, expression.lip)
        across = np.linspace(-1, 1, 21)
        arch = np.sqrt(1 - 0.999 * across**2)
        base = y - lift * (across**2 - 0.35)
        uneven = raised * 0.35 * across
        upper = _points(across * half, base - (0.22 * gap + raised) * arch - uneven)
        lower = _points(across * half, base + (0.85 * gap - 0.4 * raised) * arch - uneven)
        lips = self.skin * 0.66
        thick = self.line * 1.1
        if gap < 0.035:
            middle = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in zip(upper, lower, strict=True)]
            self.stroke([(px * 0.8, py - 0.035) for px, py in middle], lips, thick)
            self.stroke([(px * 0.7, py + 0.06) for px, py in middle], lips * 1.1, thick * 1.2)
            self.stroke(middle, self.dark, self.line * 0.95)
            return
        opening = upper + lower[::-1]
        self.stroke([*opening, opening[0]], lips, thick * 1.7)
        self.fill(opening, max(10.0, self.dark * 0.55))
        if expression.teeth > 0.35:
            depth = min(0.12, 0.6 * gap) + 0.5 * raised
            teeth = [(px * 0.9, py + 0.01) for px, py in upper[2:-2]]
            below = [
                (px * 0.9, min(py + depth, low - 0.01)) for (px, py), (_, low) in zip(teeth, lower[2:-2], strict=True)
            ]
            self.fill(teeth + below[::-1], min(238.0, 70 + 0.8 * self.skin))
        elif gap > 0.2:
            self.fill(_ellipse(0, y + 0.62 * gap, half * 0.5, gap * 0.2), self.skin * 0.5)  # the tongue

    def _cheeks(self, expression: Expression) -> None:
        """The folds from the nose to the corners of the mouth, deep in smiles and in disgust."""
        depth = max(expression.corners, expression.nose, 0.8 * expression.lip)
        if depth < 0.4:
            return
        half = self.mouth_width * (1 + 0.42 * expression.width) + 0.1
        for side in (-1, 1):
            fold = [(side * 0.2, 0.26), (side * half * 0.98, 0.42), (side * half * 1.08, self.mouth_y - 0.06)]
            self.stroke(fold, self.skin * (0.95 - 0.17 * min(depth, 1)), self.line * 0.7)

    def _beard_and_glasses(self) -> None:
        rng = self.rng
        if rng.random() < 0.12:
            half = self.mouth_width * 0.9
            moustache = [(-half, self.mouth_y - 0.1), (0, self.mouth_y - 0.17), (half, self.mouth_y - 0.1)]
            self.stroke(moustache, self.hair, self.line * 1.3)
        if rng.random() < 0.15:
            shade, width = rng.choice([20.0, 45.0, 200.0]), 0.035
            for side in (-1, 1):
                ring = _ellipse(side * self.eye_gap, self.eye_y + 0.02, 0.31, 0.27)
                self.stroke(ring, shade, width)
                self.stroke(
                    [(side * (self.eye_gap + 0.31), self.eye_y), (side * 0.97, self.eye_y - 0.04)], shade, width
                )
            self.stroke([(-self.eye_gap + 0.3, self.eye_y), (self.eye_gap - 0.3, self.eye_y)], shade, width)

    def _fringe(self) -> None:
        """The hair over the forehead."""
        if self.hair_style == "bald":
            return
        rng = self.rng
        top = -self.height - 0.12
        hairline = -self.height * rng.uniform(0.56, 0.72)
        parting = rng.uniform(-0.6, 0.6)
        dip = rng.uniform(-0.1, 0.14)
        angles = np.linspace(np.pi, 2 * np.pi, 25)
        crown = _points(1.06 * np.cos(angles), 0.1 * top + (0.9 * top + 0.02) * np.abs(np.sin(angles)) ** 0.85)
        side = rng.uniform(-0.35, -0.1)
        edge = [
            (0.96, side),
            (0.88, hairline * 0.75),
            (parting, hairline - dip),
            (-0.88, hairline * 0.75),
            (-0.96, side),
        ]
        self.fill([(-1.0, side), *crown, (1.0, side), *edge], self.hair, inner=False)
        for x in np.linspace(-0.7, 0.7, 5):
            strand = [(x * 0.8, top * 0.93), (x + rng.normal(0, 0.05), hairline * 1.12)]
            self.stroke(strand, self.hair + rng.uniform(6, 30), self.line * 0.5)

    # --- the photograph

    def finish(self) -> np.ndarray:
        """Light, blur, contrast and grain of a photograph: uint8 (48, 48)."""
        rng = self.rng
        small = self.image.reduce(_SUPERSAMPLING).filter(ImageFilter.GaussianBlur(rng.uniform(0.1, 0.7)))
        pixels = np.asarray(small, dtype=np.float64)
        direction = rng.uniform(0, 2 * np.pi)
        grid = np.linspace(-1, 1, IMAGE_SIZE)
        slope = np.cos(direction) * grid[None, :] + np.sin(direction) * grid[:, None]
        pixels = pixels * (1 + rng.uniform(0, 0.22) * slope)
        pixels = 128 + (pixels - 128) * rng.uniform(0.8, 1.15) + rng.uniform(-15, 15)
        pixels = pixels + rng.normal(0, rng.uniform(1.0, 5.5), size=pixels.shape)
        rounded: np.ndarray = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        return rounded


def _gray(shade: float) -> int:
    return int(min(max(shade, 0), 255))


def _ellipse(x: float, y: float, half_width: float, half_height: float) -> list[Point]:
    angles = np.linspace(0, 2 * np.pi, 32)
    return _points(x + half_width * np.cos(angles), y + half_height * np.sin(angles))


def _points(x: np.ndarray, y: np.ndarray) -> list[Point]:
    """Plain numbers, which Python handles several times faster than NumPy's."""
    return list(zip(x.tolist(), y.tolist(), strict=True))
