"""Who a face belongs to: some forty numbers, drawn once per subject.

Face coordinates are used throughout the package: x to the right of the picture,
y down, origin midway between the pupils, unit = half the width of the face.
"""

import dataclasses

import numpy as np

from datasets_tfds.synthetic.raster import mix
from datasets_tfds.synthetic.streams import stream

RGB = tuple[float, float, float]  # linear light, 0 black, 1 white

LIGHTEST_SKIN = (0.80, 0.56, 0.45)
DARKEST_SKIN = (0.26, 0.145, 0.095)
BROWN_HAIR = np.array((0.16, 0.10, 0.06))
BROWN_EYES = (0.10, 0.05, 0.025)
LIGHT_EYES = ((0.16, 0.22, 0.30), (0.12, 0.15, 0.07))  # blue, green


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """A face, its clothes and the light it stands in. Lengths in face units."""

    # Head
    half_width: float  # of the skull, ~ 1
    chin_y: float  # tip of the chin
    jaw: float  # exponent of the lower outline: 2.2 oval, 3.2 square
    yaw: float  # turn to the side, shift of the face's highest point
    roll: float  # tilt to the shoulder, radians
    # Eyes and brows
    eye_x: float  # of the pupil
    eye_width: float  # half of it, corner to corner
    eye_opening: float  # 1 = average
    eye_tilt: float  # > 0: outer corners up
    brow_y: float
    brow_thickness: float
    brow_arch: float
    # Nose and mouth
    nose_width: float
    nose_y: float  # of its tip
    nose_height: float  # out of the face
    mouth_width: float  # half of it
    mouth_y: float
    lip: float  # thickness of the upper lip
    smile: float  # y of the resting mouth corners below (+) its middle
    # Colours
    skin: RGB
    hair: RGB
    iris: RGB
    stubble: float  # 0 none .. 0.5
    freckles: float  # 0 none .. 0.2
    moles: tuple[tuple[float, float], ...]  # where
    # Hair
    hairline_y: float
    hairline_wave: float  # how closely the hairline waves
    long_hair: bool
    # Scene
    light: tuple[float, float]  # where the light comes from: x, y of a vector with z 1
    ambient: float  # share of light from everywhere
    background: RGB
    cloth: RGB
    # Every noise pattern (skin, hair strands, cloth) comes from this number.
    texture_seed: int

    def stream(self, texture: str) -> np.random.Generator:
        """The generator of one noise pattern of this face."""
        return stream(self.texture_seed, texture)


def draw_identity(rng: np.random.Generator) -> Identity:
    """Draws a face; every range was chosen by eye so that all faces look human."""
    u = rng.uniform
    tone = u()  # 0 light .. 1 dark; hair and eyes go with it
    return Identity(
        half_width=u(0.95, 1.06),
        chin_y=u(1.50, 1.66),
        jaw=u(2.2, 3.2),
        yaw=u(-0.06, 0.06),
        roll=u(-0.05, 0.05),
        eye_x=u(0.42, 0.47),
        eye_width=u(0.19, 0.22),
        eye_opening=u(0.80, 1.15),
        eye_tilt=u(-0.02, 0.03),
        brow_y=u(-0.33, -0.27),
        brow_thickness=u(0.032, 0.055),
        brow_arch=u(0.03, 0.10),
        nose_width=u(0.13, 0.19),
        nose_y=u(0.54, 0.62),
        nose_height=u(0.20, 0.32),
        mouth_width=u(0.32, 0.40),
        mouth_y=u(0.94, 1.02),
        lip=u(0.060, 0.100),
        smile=u(-0.030, 0.008),
        skin=_rgb(mix(LIGHTEST_SKIN, DARKEST_SKIN, tone) * u(0.9, 1.1)),
        hair=_rgb(BROWN_HAIR * u(0.15, 1.9) * (1 - 0.6 * tone) + 0.004),
        iris=_draw_iris(rng, tone),
        stubble=u(0.1, 0.5) if rng.random() < 0.35 else 0.0,
        freckles=u(0.05, 0.2) if rng.random() < 0.3 else 0.0,
        moles=tuple((u(-0.7, 0.7), u(-0.6, 1.2)) for _ in range(rng.integers(0, 4))),
        hairline_y=u(-1.02, -0.82),
        hairline_wave=u(0.55, 1.25),
        long_hair=bool(rng.random() < 0.5),
        light=(u(-0.7, 0.7), u(-0.75, -0.15)),
        ambient=u(0.38, 0.55),
        background=_rgb((u(0.25, 0.75) * u(0.92, 1.08, 3)) ** 2.2),
        cloth=_rgb(u(0.02, 0.35, 3)),
        texture_seed=int(rng.integers(2**32)),
    )


def _draw_iris(rng: np.random.Generator, tone: float) -> RGB:
    """Brown for most; blue or green only among the lighter skins."""
    if rng.random() < 0.5 + 0.5 * tone:
        return BROWN_EYES
    return LIGHT_EYES[rng.integers(2)]


def _rgb(colour: np.ndarray) -> RGB:
    red, green, blue = colour.tolist()
    return red, green, blue
