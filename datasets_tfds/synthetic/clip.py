"""From a performance to pictures: warp the portrait, shade the folds, add noise."""

import dataclasses

import cv2
import numpy as np

from datasets_tfds.synthetic import muscles
from datasets_tfds.synthetic.actor import Actor
from datasets_tfds.synthetic.performance import Performance
from datasets_tfds.synthetic.portrait import OVERSAMPLING
from datasets_tfds.synthetic.streams import stream

PIVOT_Y = 0.9  # the head turns about the neck, that far below the eyes, face units


@dataclasses.dataclass(frozen=True)
class Scene:
    """One clip, ready to be filmed: what all of its frames share.

    Attributes:
        actor, performance: who does what.
        expression: `[H, W, 2]` displacement at intensity 1, face units.
        twitches: the same of the unrelated movements.
        shading: `[H, W]` log brightness of the folds at intensity 1.
    """

    actor: Actor
    performance: Performance
    expression: np.ndarray
    twitches: np.ndarray
    shading: np.ndarray


def stage(actor: Actor, performance: Performance) -> Scene:
    """Computes the fields of a clip, once for all of its frames."""
    grid = actor.portrait.grid
    return Scene(
        actor=actor,
        performance=performance,
        expression=performance.expression.displacement(grid),
        twitches=muscles.displacement(grid, performance.twitches),
        shading=performance.expression.shading(grid),
    )


def motion(scene: Scene, t: int) -> np.ndarray:
    """The true optical flow from the onset frame to frame `t`.

    Exact to first order: a frame shows at `p` what the portrait has at
    `p - motion(p)`.

    Returns:
        `[H, W, 2]` float32, (dx, dy) in pixels, 0 for t = 0.
    """
    performance = scene.performance
    skin = performance.intensity[t] * scene.expression
    skin = skin + performance.twitch_course[t] * scene.twitches
    moved = skin + _head_motion(scene, t)
    return (scene.actor.portrait.grid.scale * moved).astype(np.float32)


def _head_motion(scene: Scene, t: int) -> np.ndarray:
    """`[H, W, 2]` in face units; near parts of the face shift more than far ones."""
    head, portrait = scene.performance.head, scene.actor.portrait
    columns, rows = _pixels(portrait.depth.shape)
    x = (columns - portrait.centre[0]) / portrait.grid.scale
    y = (rows - portrait.centre[1]) / portrait.grid.scale - PIVOT_Y
    depth = portrait.depth
    dx = head.x[t] + head.yaw[t] * depth - head.roll[t] * y + head.zoom[t] * x
    dy = head.y[t] + head.pitch[t] * depth + head.roll[t] * x + head.zoom[t] * y
    return np.stack((dx, dy), axis=-1)


def film(scene: Scene, t: int) -> np.ndarray:
    """Frame `t` as a camera sees it.

    Returns:
        `[H, W, 3]` uint8 RGB; the same whichever other frames are filmed.
    """
    performance = scene.performance
    frame = _warp(scene.actor.portrait.picture, motion(scene, t))
    folds = np.exp(performance.intensity[t] * scene.shading)
    frame *= (1 + performance.head.flicker[t]) * folds[..., None]
    frame += _sensor_noise(scene, t, frame)
    return np.clip(frame + 0.5, 0, 255).astype(np.uint8)


def _warp(picture: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Samples the oversampled portrait at every pixel of a frame, once.

    One cubic interpolation from the finer picture keeps moved and unmoved frames
    equally sharp: a blur of the apex alone would give it away.
    """
    columns, rows = _pixels(moved.shape[:2])
    x = (columns - moved[..., 0] + 0.5) * OVERSAMPLING - 0.5
    y = (rows - moved[..., 1] + 0.5) * OVERSAMPLING - 0.5
    return cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _sensor_noise(scene: Scene, t: int, frame: np.ndarray) -> np.ndarray:
    """Shot noise: stronger where the frame `[H, W, 3]` (0..255) is brighter."""
    actor, performance = scene.actor, scene.performance
    rng = stream(actor.seed, actor.subject, performance.clip, "sensor", t)
    shape = frame.shape[:2] + (1 if actor.grey else 3,)
    noise = rng.standard_normal(shape, dtype=np.float32)
    brightness = np.maximum(frame, 0) / 200  # cubic overshoot can go below black
    return performance.setting.sensor_noise * noise * np.sqrt(0.4 + brightness)


def _pixels(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Column and row `[H, W]` of every pixel."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return columns, rows
