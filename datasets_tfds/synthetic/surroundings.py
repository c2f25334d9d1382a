"""What is around the face: background, hair, neck, clothes and ears."""

import numpy as np

from datasets_tfds.synthetic.geometry import FaceGrid, head_radius
from datasets_tfds.synthetic.identity import Identity
from datasets_tfds.synthetic.raster import bump, cover, lit, ridge, smoothstep

EAR_TINT = np.array((0.72, 0.60, 0.56))


def behind_face(face: Identity, grid: FaceGrid, lambert: np.ndarray) -> np.ndarray:
    """The picture `[H, W, 3]` before the face is laid over it.

    Args:
        face: whose surroundings.
        grid: face coordinates `[H, W]`.
        lambert: `[H, W]` cosine between the light and the normal of the relief.
    """
    picture = cover(_background(face, grid), _hair_mask(face, grid), hair(face, grid))
    picture = cover(picture, _neck_mask(grid), _neck(face, grid))
    picture = cover(picture, _shoulder_mask(grid), _clothes(face, grid))
    if face.long_hair:
        return picture
    ears = lit(EAR_TINT * face.skin, 0.75 + 0.25 * lambert)
    return cover(picture, 0.98 * _ear_mask(grid), ears)


def _background(face: Identity, grid: FaceGrid) -> np.ndarray:
    """A wall that is brighter towards the lamp."""
    falloff = 1 - 0.12 * grid.y - 0.08 * grid.x * np.sign(face.light[0])
    return lit(face.background, np.clip(falloff, 0.5, 1.5))


def hair(face: Identity, grid: FaceGrid) -> np.ndarray:
    """Combed hair `[H, W, 3]` everywhere: strands leave the crown, one lock shines."""
    angle, radius = np.arctan2(grid.x, -grid.y - 0.3), np.hypot(grid.x, grid.y + 0.3)
    clumps = grid.grain(face.stream("hair clumps"), 0.10)
    shine = bump(radius, angle, 1.15, 0.55 * np.sign(face.light[0]), 0.16, 0.55)
    light = 0.70 + 0.22 * strands(face, grid) + 0.10 * clumps + 0.65 * shine
    return lit(face.hair, np.clip(light, 0.2, 3))


def strands(face: Identity, grid: FaceGrid) -> np.ndarray:
    """Brightness `[H, W]` of single strands, mean ~ 0, standard deviation ~ 1."""
    angle, radius = np.arctan2(grid.x, -grid.y - 0.3), np.hypot(grid.x, grid.y + 0.3)
    noise = face.stream("hair strands").standard_normal(900)
    profile = np.convolve(noise, np.hanning(7) / 2, "same")
    around = np.linspace(-3.3, 3.3, len(profile))
    return np.interp(angle + 0.05 * np.sin(3 * radius), around, profile)


def _hair_mask(face: Identity, grid: FaceGrid) -> np.ndarray:
    """The hair behind the head, down to the shoulders where it is long."""
    length = 1.9 if face.long_hair else 0.55
    below, above = (grid.y / length) ** 2, np.abs(grid.y / 1.72) ** 2.2
    radius = (grid.x / 1.17) ** 2 + np.where(grid.y > 0, below, above)
    return smoothstep(grid.edge, -grid.edge, (radius - 1) / 2)


def over_forehead(
    face: Identity, grid: FaceGrid, shade: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The hair in front of the head: its mask `[H, W]` and colour `[H, W, 3]`."""
    temples = 0.9 * np.clip(grid.side - 0.72, 0, 1) ** 1.3
    temples *= 3.2 if face.long_hair else 1.6
    line = face.hairline_y + 0.08 + temples + 0.02 * strands(face, grid)
    line -= 0.07 * np.cos(2.6 * face.hairline_wave * grid.x)
    line += 0.05 * np.sin(3 * grid.x + 9 * face.hairline_wave)
    head = (head_radius(face, grid.x, grid.y) - 1.03) / 2
    mask = smoothstep(grid.edge, -grid.edge, head)
    mask *= smoothstep(0.05, -0.05, grid.y - line)
    return mask, hair(face, grid) * (0.55 + 0.45 * shade)[..., None]


def _neck_mask(grid: FaceGrid) -> np.ndarray:
    widening = 0.10 * np.clip(grid.y - 1.5, 0, 1) ** 2
    sides = smoothstep(0.62, 0.58, grid.side - widening)
    return sides * smoothstep(0.6, 1.0, grid.y)


def _neck(face: Identity, grid: FaceGrid) -> np.ndarray:
    """In the shadow of the chin, brighter further down."""
    light = 0.34 + 0.25 * smoothstep(1.55, 2.1, grid.y)
    light *= 1 - 0.35 * (grid.side / 0.6) ** 2
    return lit(face.skin, light)


def _shoulder_mask(grid: FaceGrid) -> np.ndarray:
    slope = 0.10 * np.clip(grid.side - 0.3, 0, 9) ** 1.25
    collar = 0.10 * ridge(grid.side, 0.35 / np.sqrt(2))
    return smoothstep(-0.03, 0.03, grid.y - 1.93 - slope - collar)


def _clothes(face: Identity, grid: FaceGrid) -> np.ndarray:
    folds = 1 + 0.12 * grid.grain(face.stream("cloth"), 0.05)
    return lit(face.cloth, folds * (1 - 0.25 * np.minimum(grid.side, 2)))


def _ear_mask(grid: FaceGrid) -> np.ndarray:
    radius = ((grid.side - 1.01) / 0.10) ** 2 + ((grid.y - 0.10) / 0.25) ** 2
    return smoothstep(grid.edge, -grid.edge, radius - 1)
