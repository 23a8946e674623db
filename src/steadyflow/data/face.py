"""The parameters of a synthetic face.

Head units: the head's centre is (0, 0), the crown y=-1, the chin y=+1, x to the viewer's right.
"""

from dataclasses import dataclass

from steadyflow.data.pen import Colour


@dataclass(frozen=True)
class Pose:
    """The head's position and scale (half its height), in half images, and rotation in radians."""

    x: float
    y: float
    scale: float
    tilt: float
    yaw: float


@dataclass(frozen=True)
class Head:
    """Proportions in head units. `taper`: how narrow the chin is; `wrinkles`, `blush`, `freckles`: strengths 0..1."""

    width: float
    taper: float
    skin: Colour
    ears: float
    nose: float
    nose_width: float
    wrinkles: float
    blush: float
    freckles: float
    shoulders: float


@dataclass(frozen=True)
class Eyes:
    """`size`: half width; `openness`: half height over half width; `gaze`: where the iris looks, -1..1 each way."""

    y: float
    spacing: float
    size: float
    openness: float
    gaze: tuple[float, float]
    slant: float
    colour: Colour
    lashes: float
    brow_raise: float
    brow_slope: float
    brow_width: float


@dataclass(frozen=True)
class Mouth:
    """`smile`: how far the corners rise over the middle; `opening`: 0 is closed lips; `lips`: fullness."""

    y: float
    width: float
    smile: float
    opening: float
    lips: float
    colour: Colour


@dataclass(frozen=True)
class Hair:
    """`reach`: where long hair ends, in head units below the centre (0 for short hair). The hairline leaves the parting
    at (`part`, `line`) and falls to the temples: `fringe` 1 makes curtains, 6 a straight fringe."""

    colour: Colour
    reach: float
    volume: float
    part: float
    line: float
    fringe: float
    wave: float
    waves: float


@dataclass(frozen=True)
class Outfit:
    """Clothes and accessories; None for those that are absent."""

    colour: Colour
    trim: Colour
    neckline: float
    stripes: float
    glasses: Colour | None
    lens: float
    beanie: Colour | None
    earrings: Colour | None
    beard: float


@dataclass(frozen=True)
class Scene:
    """`background`: the two colours of a gradient along `angle`; `light`: the direction of the light. In radians."""

    background: tuple[Colour, Colour]
    angle: float
    halo: float
    light: float
    contrast: float


@dataclass(frozen=True)
class Face:
    """All parameters of a picture."""

    pose: Pose
    head: Head
    eyes: Eyes
    mouth: Mouth
    hair: Hair
    outfit: Outfit
    scene: Scene
