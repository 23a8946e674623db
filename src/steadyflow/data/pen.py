"""Colours, curves, and a pen that fills and strokes them with Pillow.

Shapes are polygons on a canvas of four times the size, which is then averaged for antialiasing.
"""

import functools
import math

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Colour = tuple[float, float, float]
Points = npt.NDArray[np.float64]

SUPERSAMPLING = 4
WHITE: Colour = (255, 255, 255)
INK: Colour = (38, 26, 32)


def blend(a: Colour, b: Colour, t: float) -> Colour:
    """Linear interpolation of two colours, `a` at t=0 and `b` at t=1."""
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t)


def shade(colour: Colour, strength: float) -> Colour:
    """Blends towards a dark violet for `strength` in 0..1, and towards a light yellow for -1..0."""
    return blend(colour, (46, 14, 40), strength) if strength >= 0 else blend(colour, (255, 246, 226), -strength)


# Cached, since a face has 60 small polygons, for which NumPy's overhead exceeds its arithmetic.
@functools.cache
def steps(start: float, stop: float, count: int) -> Points:
    """`np.linspace`, cached and read-only."""
    grid = np.linspace(start, stop, count)
    grid.setflags(write=False)
    return grid


@functools.cache
def circle(corners: int) -> tuple[Points, Points]:
    """Cosine and sine at the corners of a regular polygon."""
    angle = steps(0, 2 * math.pi, corners + 1)[:-1]
    return np.cos(angle), np.sin(angle)


def curve(x: Points, y: Points | float) -> Points:
    """Points [N, 2] from their coordinates."""
    points = np.empty((len(x), 2))
    points[:, 0], points[:, 1] = x, y
    return points


def ribbon(x: Points, upper: Points | float, lower: Points | float) -> Points:
    """The polygon between two curves over the same x."""
    return np.concatenate([curve(x, upper), curve(x, lower)[::-1]])


def disc(x: float, y: float, rx: float, ry: float | None = None, corners: int = 20) -> Points:
    """An ellipse, a circle without `ry`."""
    cos, sin = circle(corners)
    return curve(x + rx * cos, y + (rx if ry is None else ry) * sin)


class Pen:
    """Fills and strokes polygons given in head units, whose centre is at (x, y) and unit is `scale`, in half images."""

    def __init__(self, canvas: Image.Image, *, x: float, y: float, scale: float, tilt: float):
        # Blending takes three times as long as opaque painting.
        self._opaque, self._blended = ImageDraw.Draw(canvas), ImageDraw.Draw(canvas, "RGBA")
        half = canvas.width / 2
        cos, sin = math.cos(tilt), math.sin(tilt)
        self._rotation = np.array([[cos, sin], [-sin, cos]]) * scale * half
        # The head rotates about the neck.
        pivot = np.array([0.0, 0.9])
        self._origin = (np.array([x, y]) + pivot * scale + 1) * half - pivot @ self._rotation

    def fill(self, points: Points, colour: Colour, alpha: float = 1.0) -> None:
        red, green, blue = colour
        placed = (points @ self._rotation + self._origin).ravel().tolist()
        paint = (round(red), round(green), round(blue))
        if alpha == 1:
            self._opaque.polygon(placed, fill=paint)
        else:
            self._blended.polygon(placed, fill=(*paint, round(255 * alpha)))

    def stroke(self, points: Points, width: float, colour: Colour, alpha: float = 1.0) -> None:
        """A line of `width` in the middle that tapers towards its ends."""
        along = np.empty_like(points)
        along[1:-1] = points[2:] - points[:-2]
        along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
        swell = 0.25 + 0.75 * np.sin(steps(0, math.pi, len(points)))
        swell *= width / 2 / (np.hypot(along[:, 0], along[:, 1]) + 1e-9)
        side = curve(along[:, 1] * swell, -along[:, 0] * swell)
        self.fill(np.concatenate([points + side, (points - side)[::-1]]), colour, alpha)

    def glow(self, x: float, y: float, radius: float, colour: Colour, alpha: float) -> None:
        """A soft spot, made of concentric discs."""
        for part in (1.0, 0.75, 0.5):
            self.fill(disc(x, y, radius * part, radius * part * 0.8), colour, alpha / 3)
