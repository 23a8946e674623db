"""Synthetic faces, the images of the demo, with known attributes of unequal frequencies.

Face i depends on (seed, i) only, so a larger dataset begins with the smaller one.
"""

import colorsys
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from steadyflow.data.face import Eyes, Face, Hair, Head, Mouth, Outfit, Pose, Scene
from steadyflow.data.face_drawing import draw_face
from steadyflow.data.pen import Colour, blend, shade
from steadyflow.data.records import Record, Records, Source

Range = tuple[float, float]

HAIR_LENGTH = {"long": 0.67, "short": 0.33}
AGE_GROUP = {"child": 0.08, "young": 0.55, "middle_aged": 0.27, "senior": 0.10}
SKIN_TONE = {"light": 0.62, "medium": 0.26, "dark": 0.12}
HAIR_COLORS = ("brown", "black", "blond", "red", "gray", "white", "blue", "pink")
HAIR_COLOR_GIVEN_AGE: dict[str, tuple[float, ...]] = {
    "child": (0.40, 0.26, 0.22, 0.12, 0.00, 0.00, 0.00, 0.00),
    "young": (0.35, 0.25, 0.18, 0.09, 0.00, 0.00, 0.07, 0.06),
    "middle_aged": (0.37, 0.26, 0.16, 0.09, 0.10, 0.02, 0.00, 0.00),
    "senior": (0.10, 0.05, 0.00, 0.00, 0.50, 0.35, 0.00, 0.00),
}
HAIR_COLOR = {
    color: sum(share * HAIR_COLOR_GIVEN_AGE[age][i] for age, share in AGE_GROUP.items())
    for i, color in enumerate(HAIR_COLORS)
}
SHARES: dict[str, dict[str, float]] = {
    "hair_length": HAIR_LENGTH,
    "age_group": AGE_GROUP,
    "skin_tone": SKIN_TONE,
    "hair_color": HAIR_COLOR,
}


@dataclass(frozen=True)
class AgeLook:
    """Ranges of a face's parameters at an age, in head units, `scale` in half images; the rest are in 0..1."""

    scale: Range
    width: Range
    taper: Range
    eye_y: Range
    eye_size: Range
    nose: Range
    ears: Range
    lips: Range
    wrinkles: Range
    blush: Range
    shoulders: Range
    glasses: float
    freckles: float


AGE_LOOKS = {
    "child": AgeLook(
        scale=(0.50, 0.57), width=(0.86, 0.94), taper=(0.20, 0.30), eye_y=(0.20, 0.26), eye_size=(0.225, 0.26),
        nose=(0.07, 0.11), ears=(0.95, 1.15), lips=(0.02, 0.04), wrinkles=(0, 0), blush=(0.55, 0.85),
        shoulders=(0.95, 1.10), glasses=0.12, freckles=0.45,
    ),
    "young": AgeLook(
        scale=(0.56, 0.64), width=(0.73, 0.83), taper=(0.28, 0.42), eye_y=(0.03, 0.10), eye_size=(0.19, 0.225),
        nose=(0.16, 0.23), ears=(0.9, 1.1), lips=(0.03, 0.08), wrinkles=(0, 0), blush=(0.1, 0.5),
        shoulders=(1.35, 1.60), glasses=0.20, freckles=0.15,
    ),
    "middle_aged": AgeLook(
        scale=(0.57, 0.64), width=(0.74, 0.85), taper=(0.20, 0.34), eye_y=(-0.01, 0.06), eye_size=(0.165, 0.195),
        nose=(0.21, 0.28), ears=(1.0, 1.2), lips=(0.02, 0.06), wrinkles=(0.50, 0.65), blush=(0.0, 0.25),
        shoulders=(1.50, 1.80), glasses=0.32, freckles=0.0,
    ),
    "senior": AgeLook(
        scale=(0.54, 0.61), width=(0.72, 0.82), taper=(0.16, 0.30), eye_y=(-0.02, 0.05), eye_size=(0.145, 0.17),
        nose=(0.26, 0.33), ears=(1.2, 1.45), lips=(0.0, 0.03), wrinkles=(0.9, 1.0), blush=(0.0, 0.45),
        shoulders=(1.25, 1.50), glasses=0.55, freckles=0.0,
    ),
}  # fmt: skip

# Each value of an attribute is a range of colours; the ranges do not overlap.
SKIN_COLOURS: dict[str, tuple[Colour, Colour]] = {
    "light": ((255, 226, 204), (241, 194, 158)),
    "medium": ((216, 160, 114), (186, 128, 84)),
    "dark": ((138, 86, 56), (88, 52, 36)),
}
HAIR_COLOURS: dict[str, tuple[Colour, Colour]] = {
    "brown": ((82, 48, 28), (136, 84, 48)),
    "black": ((22, 20, 26), (44, 38, 46)),
    "blond": ((214, 168, 84), (246, 216, 138)),
    "red": ((168, 58, 24), (214, 96, 40)),
    "gray": ((128, 130, 138), (166, 166, 172)),
    "white": ((222, 222, 224), (248, 246, 240)),
    "blue": ((36, 84, 180), (78, 150, 226)),
    "pink": ((222, 84, 154), (248, 148, 196)),
}
EYE_COLOURS: tuple[tuple[Colour, float], ...] = (
    ((96, 56, 30), 0.5), ((64, 132, 190), 0.2), ((74, 138, 84), 0.12), ((168, 112, 40), 0.1), ((112, 128, 140), 0.08),
)  # fmt: skip
METALS: tuple[Colour, ...] = ((244, 204, 84), (226, 230, 238), (236, 92, 120), (84, 200, 190))


def synthetic_faces(count: int, seed: int, resolution: int = 64) -> Source:
    """`count` drawn faces, RGB [resolution, resolution, 3]; attributes in the proportions of `SHARES`."""

    def records() -> Iterator[Record]:
        for i in range(count):
            attributes, face = draw_attributes_and_face(seed, i)
            yield Record(f"face-{i:06d}", partial(draw_face, face, resolution), attributes=attributes)

    values = {name: list(shares) for name, shares in SHARES.items()}
    return Source("synthetic_faces", Records(records), count, attributes=values)


def draw_attributes_and_face(seed: int, index: int) -> tuple[dict[str, str], Face]:
    """The attributes and parameters of face `index`; seed and index are 64-bit and not negative."""
    dice = _Dice(np.random.Generator(np.random.Philox(key=np.array([seed, index], dtype=np.uint64))))
    age = dice.choose(AGE_GROUP)
    attributes = {
        "hair_length": dice.choose(HAIR_LENGTH),
        "age_group": age,
        "skin_tone": dice.choose(SKIN_TONE),
        "hair_color": dice.choose(dict(zip(HAIR_COLORS, HAIR_COLOR_GIVEN_AGE[age], strict=True))),
    }
    return attributes, _face(dice, attributes)


class _Dice:
    """Random draws from the generator of one image."""

    def __init__(self, rng: np.random.Generator):
        self._rng = rng

    def between(self, span: Range) -> float:
        return span[0] + (span[1] - span[0]) * self._rng.random()

    def bell(self, deviation: float, limit: float) -> float:
        return max(-limit, min(limit, deviation * self._rng.standard_normal()))

    def happens(self, probability: float) -> bool:
        return self._rng.random() < probability

    def choose(self, shares: Mapping[str, float]) -> str:
        u, names = self._rng.random(), [name for name, share in shares.items() if share]
        for name in names[:-1]:
            u -= shares[name]
            if u < 0:
                return name
        return names[-1]

    def colour(self, span: tuple[Colour, Colour]) -> Colour:
        return blend(*span, self._rng.random())

    def hue(self, saturation: Range, value: Range) -> Colour:
        return _hsv(self._rng.random(), self.between(saturation), self.between(value))


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return (255 * red, 255 * green, 255 * blue)


def _face(dice: _Dice, attributes: Mapping[str, str]) -> Face:
    look, long = AGE_LOOKS[attributes["age_group"]], attributes["hair_length"] == "long"
    skin = dice.colour(SKIN_COLOURS[attributes["skin_tone"]])
    return Face(
        pose=_pose(dice, look),
        head=_head(dice, look, skin),
        eyes=_eyes(dice, look, long),
        mouth=_mouth(dice, look, skin),
        hair=_hair(dice, attributes, long),
        outfit=_outfit(dice, look, long, child=attributes["age_group"] == "child"),
        scene=_scene(dice),
    )


def _pose(dice: _Dice, look: AgeLook) -> Pose:
    return Pose(
        x=dice.bell(0.06, 0.14),
        y=dice.between((-0.10, 0.02)),
        scale=dice.between(look.scale),
        tilt=dice.bell(0.09, 0.24),
        yaw=dice.bell(0.16, 0.36),
    )


def _head(dice: _Dice, look: AgeLook, skin: Colour) -> Head:
    return Head(
        width=dice.between(look.width),
        taper=dice.between(look.taper),
        skin=skin,
        ears=dice.between(look.ears),
        nose=dice.between(look.nose),
        nose_width=dice.between((0.09, 0.15)),
        wrinkles=dice.between(look.wrinkles),
        blush=dice.between(look.blush),
        freckles=dice.between((0.5, 0.9)) * dice.happens(look.freckles),
        shoulders=dice.between(look.shoulders),
    )


def _eyes(dice: _Dice, look: AgeLook, long: bool) -> Eyes:
    base, u = EYE_COLOURS[-1][0], dice.between((0, 1))
    for colour, share in EYE_COLOURS:
        u -= share
        if u < 0:
            base = colour
            break
    return Eyes(
        y=dice.between(look.eye_y),
        spacing=dice.between((0.31, 0.37)),
        size=dice.between(look.eye_size),
        openness=dice.between((0.62, 0.98)),
        gaze=(dice.bell(0.5, 1), dice.bell(0.5, 1)),
        slant=dice.bell(0.025, 0.05),
        colour=shade(base, dice.bell(0.12, 0.25)),
        lashes=dice.between((0.4, 1.0)) * (1 if long else 0.35),
        brow_raise=dice.between((0.0, 0.10)),
        brow_slope=dice.between((-0.02, 0.07)),
        brow_width=dice.between((0.06, 0.10)) * (1 if long else 1.3),
    )


def _mouth(dice: _Dice, look: AgeLook, skin: Colour) -> Mouth:
    return Mouth(
        y=dice.between((0.58, 0.64)),
        width=dice.between((0.22, 0.34)),
        smile=dice.between((0.02, 0.18)),
        opening=dice.between((0.10, 0.24)) * dice.happens(0.35),
        lips=dice.between(look.lips),
        colour=blend(shade(skin, 0.22), (206, 52, 74), dice.between((0.25, 0.75))),
    )


def _hair(dice: _Dice, attributes: Mapping[str, str], long: bool) -> Hair:
    curly = dice.happens(0.3)
    return Hair(
        colour=dice.colour(HAIR_COLOURS[attributes["hair_color"]]),
        reach=dice.between((1.25, 2.2)) if long else 0.0,
        volume=dice.between((0.10, 0.26)) if long else dice.between((0.05, 0.30)),
        part=dice.between((-0.6, 0.6)),
        line=dice.between((-0.72, -0.42)),
        fringe=math.exp(dice.between((0.3, 2.0))),
        wave=dice.between((0.03, 0.055)) if curly else dice.between((0.0, 0.012)),
        waves=dice.between((5.0, 9.0)),
    )


def _outfit(dice: _Dice, look: AgeLook, long: bool, *, child: bool) -> Outfit:
    colour = dice.hue((0.3, 0.75), (0.35, 0.9))
    return Outfit(
        colour=colour,
        trim=shade(colour, dice.between((-0.6, 0.45))),
        neckline=dice.between((0.02, 0.42)),
        stripes=dice.between((0.1, 0.2)) * dice.happens(0.3),
        glasses=dice.hue((0.2, 0.9), (0.12, 0.6)) if dice.happens(look.glasses) else None,
        lens=dice.between((0.27, 0.32)),
        beanie=dice.hue((0.45, 0.8), (0.5, 0.9)) if dice.happens(0.1) else None,
        earrings=METALS[int(dice.between((0, len(METALS))))] if dice.happens(0.4 if long else 0.08) else None,
        beard=dice.between((0.4, 1.0)) * (dice.happens(0.35) and not long and not child),
    )


def _scene(dice: _Dice) -> Scene:
    hue, turn = dice.between((0, 1)), dice.bell(0.10, 0.25)
    return Scene(
        background=(
            _hsv(hue, dice.between((0.10, 0.40)), dice.between((0.86, 1.0))),
            _hsv(hue + turn, dice.between((0.15, 0.55)), dice.between((0.60, 0.92))),
        ),
        angle=dice.between((0, 2 * math.pi)),
        halo=dice.between((0.0, 0.25)),
        light=dice.between((-math.pi, 0)),
        contrast=dice.between((0.03, 0.14)),
    )
