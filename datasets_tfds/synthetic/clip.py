"""From a performance to pictures: warp the portrait, shade the folds, add noise."""

import dataclasses

import cv2
import numpy as np

from datasets_tfds.synthetic import muscles
from datasets_tfds.synthetic.actor import Actor
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.performance import Performance
from datasets_tfds.synthetic.portrait import OVERSAMPLING
from datasets_tfds.synthetic.raster import smoothstep
from datasets_tfds.synthetic.streams import stream

PIVOT_Y = 0.9  # the head turns about the neck, that far below the eyes, face units
HEAD_BOX = (-1.3, 1.3, -1.25, 1.4)  # left, right, top, bottom of what it takes along


@dataclasses.dataclass(frozen=True)
class Scene:
    """One clip, ready to be filmed: what all of its frames share.

    Attributes:
        actor, performance: who does what.
        expression: `[H, W, 2]` displacement at intensity 1, face units.
        twitches: the same of the unrelated movements.
        shading: `[H, W]` log brightness of the folds at intensity 1.
        rigid: `[H, W]` share of the head's movement that a point joins in.
    """

    actor: Actor
    performance: Performance
    expression: np.ndarray
    twitches: np.ndarray
    shading: np.ndarray
    rigid: np.ndarray


def stage(actor: Actor, performance: Performance) -> Scene:
    """Computes the fields of a clip, once for all of its frames."""
    grid = actor.portrait.grid
    return Scene(
        actor=actor,
        performance=performance,
        expression=performance.expression.displacement(grid),
        twitches=muscles.displacement(grid, performance.twitches),
        shading=performance.expression.shading(grid),
        rigid=_near_head(actor.camera),
    )


def motion(scene: Scene, t: int) -> np.ndarray:
    """The true optical flow from the onset frame to frame `t`.

    Exact to first order: a frame shows at `p` what the portrait has at
    `p - motion(p)`. Lids that blink and irises that look elsewhere are painted,
    not moved, and do not count.

    Returns:
        `[H, W, 2]` float32, (dx, dy) in pixels, 0 for t = 0.
    """
    performance = scene.performance
    skin = performance.intensity[t] * scene.expression
    skin = skin + performance.twitch_course[t] * scene.twitches
    moved = skin + _head(scene, t)
    return (scene.actor.camera.scale * moved).astype(np.float32)


def head_motion(scene: Scene, t: int) -> np.ndarray:
    """The rigid part of `motion`: what a perfect stabiliser would take out.

    Returns:
        `[H, W, 2]` float32, (dx, dy) in pixels, 0 for t = 0.
    """
    return (scene.actor.camera.scale * _head(scene, t)).astype(np.float32)


def _head(scene: Scene, t: int) -> np.ndarray:
    """`[H, W, 2]` in face units; near parts of the face shift more than far ones."""
    head, portrait = scene.performance.head, scene.actor.portrait
    x, y = scene.actor.camera.axes()
    y = y - PIVOT_Y
    depth = portrait.depth
    dx = head.x[t] + head.yaw[t] * depth - head.roll[t] * y + head.zoom[t] * x
    dy = head.y[t] + head.pitch[t] * depth + head.roll[t] * x + head.zoom[t] * y
    return scene.rigid[..., None] * np.stack((dx, dy), axis=-1)


def _near_head(camera: Camera) -> np.ndarray:
    """`[H, W]` 1 on the head and in a whole close-up, 0 on walls and shoulders."""
    x, y = camera.axes()
    left, right, top, bottom = HEAD_BOX
    beyond_x = np.maximum(np.maximum(left - x, x - right), 0)
    beyond_y = np.maximum(np.maximum(top - y, y - bottom), 0)
    return smoothstep(0.7, 0, np.hypot(beyond_x, beyond_y))


def render(scene: Scene, t: int) -> np.ndarray:
    """Frame `t` as a camera sees it.

    Returns:
        `[H, W, 3]` uint8 RGB; the same whichever other frames are filmed.
    """
    performance = scene.performance
    portrait = scene.actor.portrait.looking(performance.look(t))
    frame = _warp(portrait, motion(scene, t))
    folds = np.exp(performance.intensity[t] * scene.shading)
    frame *= (1 + performance.head.flicker[t]) * folds[..., None]
    frame += _sensor_noise(scene, t, frame)
    return np.clip(frame + 0.5, 0, 255).astype(np.uint8)


def _warp(picture: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Samples the oversampled portrait at every pixel of a frame, once.

    One cubic interpolation from the finer picture keeps moved and unmoved frames
    equally sharp: a blur of the apex alone would give it away.
    """
    rows, columns = np.ogrid[: moved.shape[0], : moved.shape[1]]
    x = (columns.astype(np.float32) - moved[..., 0] + 0.5) * OVERSAMPLING - 0.5
    y = (rows.astype(np.float32) - moved[..., 1] + 0.5) * OVERSAMPLING - 0.5
    return cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _sensor_noise(scene: Scene, t: int, frame: np.ndarray) -> np.ndarray:
    """Shot noise: stronger where the frame `[H, W, 3]` (0..255) is brighter."""
    actor, performance = scene.actor, scene.performance
    rng = stream(actor.seed, actor.subject, performance.clip, "sensor", t)
    shape = frame.shape[:2] + (1 if actor.camera.grey else 3,)
    noise = rng.standard_normal(shape, dtype=np.float32)
    brightness = np.maximum(frame, 0) / 200  # cubic overshoot can go below black
    return performance.setting.sensor_noise * noise * np.sqrt(0.4 + brightness)
