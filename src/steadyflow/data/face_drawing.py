"""Draws a `Face` as an RGB picture, from back to front, with one function for each part."""

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from steadyflow.data.face import Face, Head, Scene
from steadyflow.data.pen import INK, SUPERSAMPLING, WHITE, Pen, Points, blend, circle, curve, disc, ribbon, shade, steps


def draw_face(face: Face, resolution: int) -> npt.NDArray[np.uint8]:
    """The picture, uint8 [resolution, resolution, 3]."""
    size = resolution * SUPERSAMPLING
    canvas = _background(face.scene, size)
    pose = face.pose
    head = Pen(canvas, x=pose.x, y=pose.y, scale=pose.scale, tilt=pose.tilt)
    body = Pen(canvas, x=pose.x, y=pose.y, scale=pose.scale, tilt=pose.tilt * 0.15)
    head.fill(disc(0, 0.1, 1.9, corners=48), WHITE, face.scene.halo)
    _back_hair(head, face)
    _body(body, face)
    _locks(head, face)
    _ears(head, face)
    _skull(head, face)
    _wrinkles(head, face)
    _nose(head, face)
    _mouth(head, face)
    _beard(head, face)
    for side in (-1, 1):
        _eye(head, face, side)
    _front_hair(head, face)
    _beanie(head, face)
    _glasses(head, face)
    return _lit(canvas.reduce(SUPERSAMPLING), face.scene)


def _background(scene: Scene, size: int) -> Image.Image:
    axis = steps(-1, 1, size // SUPERSAMPLING)
    along = (axis[None, :] * math.cos(scene.angle) + axis[:, None] * math.sin(scene.angle)) / 2.8 + 0.5
    start, end = np.array(scene.background)
    gradient = start + (end - start) * along[:, :, None]
    return Image.fromarray(gradient.astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)


def _lit(image: Image.Image, scene: Scene) -> npt.NDArray[np.uint8]:
    axis = np.linspace(-1, 1, image.width, dtype=np.float32)
    facing = axis[None, :] * math.cos(scene.light) + axis[:, None] * math.sin(scene.light)
    gain = 1 + scene.contrast * facing[:, :, None]
    lit: npt.NDArray[np.uint8] = np.clip(np.asarray(image) * gain + 0.5, 0, 255).astype(np.uint8)
    return lit


def _turn(points: Points, face: Face) -> Points:
    """Yaw: points on the face's front slide over a sphere."""
    x = np.minimum(np.maximum(points[:, 0], -0.98), 0.98)
    turned = x * math.cos(face.pose.yaw) + np.sqrt(1 - x**2) * math.sin(face.pose.yaw)
    return curve(turned, points[:, 1])


def _outline(head: Head, grow: float = 1.0, corners: int = 40) -> Points:
    cos, sin = circle(corners)
    down = np.maximum(sin, 0)
    return curve(grow * head.width * cos * (1 - head.taper * down**2), grow * sin)


def _crown(face: Face, low: float, corners: int = 33) -> Points:
    """The hair's outer edge from temple to temple over the top, ending at height `low`; wavy for curls."""
    s = steps(-1, 1, corners)
    hair, head = face.hair, face.head
    ripple = 1 + hair.wave * np.cos(s * hair.waves * math.pi)
    reach = math.pi / 2 + math.asin(min(low, 0.9))
    x = np.sin(s * reach) * (head.width + hair.volume * 0.85) * ripple
    y = -np.cos(s * reach) * (1 + hair.volume) * ripple
    return curve(x, y)


def _back_hair(pen: Pen, face: Face) -> None:
    hair = face.hair
    dark = shade(hair.colour, 0.28)
    if not hair.reach:
        pen.fill(_crown(face, 0.35), dark)
        return
    t = steps(0, 1, 14)
    sway = 0.09 * np.sin(t * hair.waves * 1.3) * (0.4 + 9 * hair.wave)
    bulge = face.head.width + hair.volume * 0.85 + 0.16 * np.sin(t * math.pi) + 0.07 * t
    right = curve(bulge + sway, t * hair.reach)
    left = curve(-bulge + sway, t * hair.reach)
    crown = _crown(face, 0.0)
    pen.fill(np.concatenate([crown, right, left[::-1]]), dark)


def _locks(pen: Pen, face: Face) -> None:
    """Long hair falling in front of the shoulders, one lock on each side."""
    hair = face.hair
    if not hair.reach:
        return
    t = steps(0, 1, 14)
    sway = 0.08 * np.sin(t * hair.waves * 1.3 + 0.6) * (0.4 + 9 * hair.wave)
    for side in (-1, 1):
        outer = face.head.width + hair.volume * 0.8 + 0.14 * np.sin(t * math.pi)
        inner = outer - 0.34 + 0.30 * t**3
        y = -0.2 + t * (hair.reach * 0.97 + 0.2)
        pen.fill(np.concatenate([curve(side * outer + sway, y), curve(side * inner + sway, y)[::-1]]), hair.colour)
        middle = curve(side * (outer * 0.55 + inner * 0.45) + sway, y)
        pen.stroke(middle[3:12], 0.06, shade(hair.colour, -0.25 if side < 0 else 0.2), 0.7)


def _body(pen: Pen, face: Face) -> None:
    outfit, head = face.outfit, face.head
    neck = 0.2 + 0.14 * head.shoulders
    t = steps(0, 1, 12)
    slope = curve(neck + (head.shoulders - neck) * t**0.8, 1.22 + 0.5 * t**2.4)
    column = np.array([[-neck, 0.4], [neck, 0.4], [neck, 1.25], [neck + 0.2, 1.6], [-neck - 0.2, 1.6], [-neck, 1.25]])
    pen.fill(column, head.skin)
    shadow = _outline(head)
    pen.fill(curve(np.clip(shadow[:, 0], -neck, neck), shadow[:, 1] + 0.16), shade(head.skin, 0.3))
    left = slope * (-1, 1)
    u = steps(-1, 1, 13)
    collar = curve(u * neck * 1.12, 1.24 + outfit.neckline * (1 - np.abs(u) ** 1.6))
    torso = np.concatenate([collar, slope, [[head.shoulders + 0.1, 4.0], [-head.shoulders - 0.1, 4.0]], left[::-1]])
    pen.fill(torso, outfit.colour)
    if outfit.stripes:
        for y in np.arange(1.75, 3.2, 0.36):
            x = np.linspace(-head.shoulders, head.shoulders, 12)
            pen.stroke(curve(x * 0.98, y + 0.1 * (1 - x**2 / head.shoulders**2)), outfit.stripes, outfit.trim)
    pen.stroke(collar, 0.14, outfit.trim)


def _ears(pen: Pen, face: Face) -> None:
    head, outfit = face.head, face.outfit
    if face.hair.reach:
        if outfit.earrings:
            for side in (-1, 1):
                pen.fill(disc(side * (head.width + 0.02), 0.56, 0.085, 0.11), outfit.earrings)
        return
    for side in (-1, 1):
        x = side * head.width * 0.99 - 0.1 * face.pose.yaw
        pen.fill(disc(x, 0.12, 0.11 * head.ears, 0.19 * head.ears), shade(head.skin, 0.08))
        pen.fill(disc(x + side * 0.01, 0.13, 0.055 * head.ears, 0.11 * head.ears), shade(head.skin, 0.24))
        if outfit.earrings:
            pen.fill(disc(x + side * 0.03, 0.34, 0.065), outfit.earrings)


def _skull(pen: Pen, face: Face) -> None:
    head, light = face.head, face.scene.light
    pen.fill(_outline(head), shade(head.skin, 0.16))
    towards = np.array([math.cos(light), math.sin(light) * 0.6]) * 0.05
    pen.fill(_outline(head, 0.94) + towards, head.skin)
    for side in (-1, 1):
        x, y = _turn(np.array([[side * 0.44 * head.width / 0.75, 0.4]]), face)[0]
        pen.glow(x, y, 0.24, blend(head.skin, (235, 70, 80), 0.6), head.blush)
    spots = np.array([[0.30, 0.24], [0.40, 0.32], [0.22, 0.34], [0.50, 0.24]])
    if head.freckles:
        for x, y in _turn(np.concatenate([spots, spots * (-1, 1)]), face):
            pen.fill(disc(x, y, 0.026, corners=6), shade(blend(head.skin, (170, 80, 30), 0.5), 0.15), head.freckles)


def _wrinkles(pen: Pen, face: Face) -> None:
    strength = face.head.wrinkles
    if not strength:
        return
    eyes, mouth = face.eyes, face.mouth
    ink = shade(face.head.skin, 0.42)
    x = steps(-1, 1, 9)
    for y in (-0.42, -0.53, -0.64):
        pen.stroke(_turn(curve(x * 0.34, y - 0.03 * (1 - x**2)), face), 0.035, ink, 0.75 * strength)
    for side in (-1, 1):
        t = (x + 1) / 2
        fold = curve(side * (0.15 + 0.24 * t + 0.05 * np.sin(t * math.pi)), 0.32 + t * (mouth.y - 0.2))
        pen.stroke(_turn(fold, face), 0.05, ink, 0.9 * strength)
        bag = curve(side * eyes.spacing + x * eyes.size * 0.9, eyes.y + eyes.size * 0.95 + 0.07 * (1 - x**2))
        pen.stroke(_turn(bag, face), 0.045, ink, 0.8 * strength)
        for rise in (-0.09, 0.0, 0.09):
            start = eyes.spacing + eyes.size * 1.15
            foot = curve(side * (start + 0.13 * t), eyes.y + rise * (0.4 + t))
            pen.stroke(_turn(foot, face), 0.03, ink, 0.8 * max(0.0, 2 * strength - 1))


def _nose(pen: Pen, face: Face) -> None:
    head, eyes = face.head, face.eyes
    tip, wide = eyes.y + 0.1 + head.nose, head.nose_width
    side = -1 if math.cos(face.scene.light) > 0 else 1
    bridge = np.array([[side * 0.02, eyes.y], [side * 0.06, eyes.y + 0.02], [side * wide, tip], [0, tip + 0.02]])
    pen.fill(_turn(bridge, face), shade(head.skin, 0.35), 0.35)
    x = steps(-1, 1, 9)
    pen.stroke(_turn(curve(x * wide, tip + 0.05 * (1 - x**2)), face), 0.055, shade(head.skin, 0.42), 0.9)
    pen.fill(_turn(disc(-side * 0.03, tip - 0.06, 0.03, corners=10), face), shade(head.skin, -0.45), 0.8)


def _mouth(pen: Pen, face: Face) -> None:
    mouth = face.mouth
    x = steps(-1, 1, 17)
    bow = 1 - x**2
    line = mouth.y + mouth.smile * (bow - 0.6)
    lower = line + mouth.opening * bow
    lip = mouth.colour
    if mouth.lips:
        upper_lip = line - mouth.lips * bow * (1 - 0.35 * np.exp(-((x / 0.16) ** 2)))
        lower_lip = lower + 1.35 * mouth.lips * bow
        pen.fill(_turn(ribbon(x * mouth.width, upper_lip, lower_lip), face), lip)
    if mouth.opening:
        teeth = np.minimum(line + 0.42 * mouth.opening + 0.02, lower)
        tongue = np.maximum(lower - 0.3 * mouth.opening * bow**2, teeth)
        pen.fill(_turn(ribbon(x * mouth.width * 0.94, line, lower), face), (92, 24, 34))
        pen.fill(_turn(ribbon(x * mouth.width * 0.9, line, teeth), face), (250, 247, 240))
        pen.fill(_turn(ribbon(x * mouth.width * 0.7, tongue, lower), face), (214, 92, 98))
    pen.stroke(_turn(curve(x * mouth.width * 1.04, line), face), 0.05, shade(lip, 0.5))


def _beard(pen: Pen, face: Face) -> None:
    """Covers jaw and chin below the cheeks, and leaves the mouth free."""
    strength, head, mouth = face.outfit.beard, face.head, face.mouth
    if not strength:
        return
    colour = shade(face.hair.colour, 0.12)
    u = steps(-1, 1, 21)
    angle = math.pi / 2 - u * 1.45
    down = np.maximum(np.sin(angle), 0)
    grown = 1 + 0.12 * strength * down
    jaw = curve(head.width * np.cos(angle) * (1 - head.taper * down**2), np.sin(angle) * grown)
    cheek = mouth.y - 0.12 - 0.08 * np.cos(u * math.pi * 1.0) - 0.35 * np.abs(u) ** 4
    rim = _turn(curve(u * head.width * 0.93, cheek), face)
    pen.fill(np.concatenate([jaw, rim[::-1]]), colour, 0.94)
    _mouth(pen, face)


def _eye(pen: Pen, face: Face, side: int) -> None:
    eyes, skin = face.eyes, face.head.skin
    half, tall = eyes.size, eyes.size * eyes.openness
    x = steps(-1, 1, 15)
    bow = np.sqrt(np.maximum(1 - x**2, 0))
    centre = side * eyes.spacing
    tilt = eyes.slant * x * side
    upper = eyes.y - tall * bow - tilt
    lower = eyes.y + 0.72 * tall * bow**2 - tilt

    def inside(points: Points) -> Points:
        at = (points[:, 0] - centre) / half
        return curve(points[:, 0], np.clip(points[:, 1], np.interp(at, x, upper), np.interp(at, x, lower)))

    across = centre + x * half
    pen.fill(_turn(ribbon(across, upper, lower), face), (252, 250, 246))
    iris_x, iris_y = centre + eyes.gaze[0] * half * 0.3, eyes.y + eyes.gaze[1] * tall * 0.2 - 0.06 * tall
    radius = half * 0.7
    pen.fill(_turn(inside(disc(iris_x, iris_y, radius)), face), shade(eyes.colour, 0.3))
    pen.fill(_turn(inside(disc(iris_x, iris_y + 0.2 * radius, radius * 0.72)), face), eyes.colour)
    pen.fill(_turn(inside(disc(iris_x, iris_y, radius * 0.5, corners=14)), face), INK)
    glint_x = iris_x + 0.4 * radius * math.cos(face.scene.light)
    pen.fill(_turn(inside(disc(glint_x, iris_y - 0.36 * radius, radius * 0.3, corners=10)), face), WHITE)
    pen.stroke(_turn(curve(centre + x * half * 1.08, upper), face), 0.05 + 0.06 * eyes.lashes, shade(skin, 0.78))
    pen.stroke(_turn(curve(across, lower), face), 0.025, shade(skin, 0.5), 0.6)

    raised = eyes.y - tall - 0.13 - eyes.brow_raise
    arch = raised - 0.07 * (1 - (x - 0.2 * side) ** 2) + eyes.brow_slope * x * side
    brow = shade(face.hair.colour, 0.22)
    pen.stroke(_turn(curve(centre + x * half * 1.15, arch), face), eyes.brow_width, brow, 0.95)


def _front_hair(pen: Pen, face: Face) -> None:
    hair, head = face.hair, face.head
    low = 0.1 if hair.reach else -0.08
    crown = _crown(face, low)
    s = steps(-1, 1, len(crown))
    fall = (np.abs(s - hair.part) / np.where(s < hair.part, 1 + hair.part, 1 - hair.part)) ** hair.fringe
    rim_y = hair.line + (low + 0.12 - hair.line) * fall + hair.wave * 0.8 * np.cos(s * hair.waves * math.pi)
    rim_x = np.sin(s * math.pi / 2) * head.width * 0.97 + 0.12 * face.pose.yaw * (1 - s**2)
    rim = curve(rim_x, np.maximum(rim_y, crown[:, 1]))
    pen.fill(np.concatenate([crown, rim[::-1]]), hair.colour)
    pen.stroke(rim, 0.05, shade(hair.colour, 0.3), 0.8)
    for depth, width, strength in ((0.62, 0.05, 0.22), (0.35, 0.045, 0.16)):
        strand = crown + (rim - crown) * depth
        pen.stroke(strand[3:-3], width, shade(hair.colour, strength), 0.7)
    bright = slice(19, 29) if math.cos(face.scene.light) > 0 else slice(4, 14)
    pen.stroke((crown + (rim - crown) * 0.3)[bright], 0.13, shade(hair.colour, -0.32), 0.65)


def _beanie(pen: Pen, face: Face) -> None:
    wool = face.outfit.beanie
    if wool is None:
        return
    s = steps(-1, 1, 21)
    wide, high = face.head.width + face.hair.volume * 0.7 + 0.06, 1.12 + face.hair.volume
    dome = curve(np.sin(s * math.pi / 2) * wide, -0.5 - np.cos(s * math.pi / 2) * (high - 0.5))
    pen.fill(disc(0, -high - 0.1, 0.2), shade(wool, -0.45))
    pen.fill(np.concatenate([dome, curve(s * wide, -0.45 - 0.05 * (1 - s**2))[::-1]]), wool)
    for rib in (-0.55, 0.0, 0.55):
        t = steps(0.12, 1, 8)
        pen.stroke(curve(rib * wide * np.sin(t * math.pi / 2), -high + t * (high - 0.5)), 0.05, shade(wool, 0.25), 0.6)
    pen.fill(ribbon(s * wide * 1.04, -0.62 - 0.06 * (1 - s**2), -0.38), shade(wool, 0.22))


def _glasses(pen: Pen, face: Face) -> None:
    frame = face.outfit.glasses
    if frame is None:
        return
    eyes, radius = face.eyes, face.outfit.lens
    for side in (-1, 1):
        lens = _turn(disc(side * eyes.spacing, eyes.y + 0.02, radius, radius * 0.85, corners=24), face)
        pen.fill(lens, WHITE, 0.16)
        closed = np.concatenate([lens, lens[:2]])
        ring = np.concatenate([closed, (lens.mean(axis=0) + (closed - lens.mean(axis=0)) * 0.82)[::-1]])
        pen.fill(ring, frame)
        temple = np.array([[side * (eyes.spacing + radius * 0.95), eyes.y], [side * 0.93, eyes.y - 0.05]])
        ends = _turn(temple, face)
        ends[1, 0] = side * face.head.width
        pen.stroke(np.linspace(ends[0], ends[1], 5), 0.06, frame)
    gap = max(eyes.spacing - radius, 0.02)
    x = steps(-1, 1, 7)
    pen.stroke(_turn(curve(x * gap, eyes.y - 0.05 * (1 - x**2)), face), 0.07, frame)
