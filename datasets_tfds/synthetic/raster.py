"""Soft shapes and colour mixing: the pencils the faces are drawn with.

Masks are float arrays `[H, W]` in [0, 1], pictures `[H, W, 3]` in linear light.
"""

from collections.abc import Sequence

import cv2
import numpy as np

Point = tuple[float, float]
Field = np.ndarray | float
Colour = tuple[float, float, float] | np.ndarray


def ridge(distance: np.ndarray, width: Field) -> np.ndarray:
    """A Gaussian of `distance`, 1 at 0, with standard deviation `width`."""
    return np.exp(-0.5 * (distance / width) ** 2)


def bump(
    x: np.ndarray, y: np.ndarray, cx: float, cy: float, sx: float, sy: float
) -> np.ndarray:
    """A Gaussian spot at (cx, cy), 1 in its centre, standard deviations sx, sy."""
    return np.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2))


def smoothstep(start: Field, end: Field, t: np.ndarray) -> np.ndarray:
    """Rises smoothly from 0 at `start` to 1 at `end`; falls where start > end."""
    u = np.clip((t - start) / (end - start), 0, 1)
    return u * u * (3 - 2 * u)


def stroke(
    x: np.ndarray, y: np.ndarray, start: Point, end: Point, width: float
) -> np.ndarray:
    """A soft pencil stroke, darkest and widest in its middle.

    Args:
        x, y: `[H, W]` coordinates.
        start, end: its two ends, in the same units.
        width: standard deviation across the stroke.
    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy)
    along = np.clip(along, 0, 1)
    distance = np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)
    off_middle = (along - 0.5) ** 2
    return ridge(distance, width * (1.15 - 1.8 * off_middle)) * (1 - 1.6 * off_middle)


def grain(
    rng: np.random.Generator,
    shape: tuple[int, int],
    sigma: float,
    stretch: float = 1.0,
) -> np.ndarray:
    """Blurred white noise `[H, W]` with mean ~ 0 and standard deviation 1.

    Args:
        rng: drawn from once.
        shape: (H, W).
        sigma: blur in pixels, the size of the grains.
        stretch: > 1 draws the grains out along x.
    """
    noise = rng.standard_normal(shape).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), sigma * stretch, sigmaY=sigma)
    return blurred / (blurred.std() + 1e-6)


def lit(colour: Colour, light: np.ndarray) -> np.ndarray:
    """A flat colour under a light `[H, W]`; 1 shows the colour itself."""
    return np.asarray(colour, np.float32) * light[..., None]


def stain(albedo: np.ndarray, mask: np.ndarray, colour: Colour) -> np.ndarray:
    """Multiplies `albedo` by `colour` where `mask` is 1; leaves it where 0."""
    return albedo * (1 - lit(1 - np.asarray(colour), mask))


def cover(below: np.ndarray, mask: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Lays `above` (a picture or a colour) over `below` where `mask` is 1."""
    return below + mask[..., None] * (above - below)


def mix(first: Sequence[float], second: Sequence[float], share: float) -> np.ndarray:
    """The colour `share` of the way from `first` to `second`."""
    return (1 - share) * np.asarray(first) + share * np.asarray(second)
