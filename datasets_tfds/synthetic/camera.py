"""Where the face is in the frame, and how large the frame is."""

import dataclasses

import numpy as np

FACES_PER_CROP = 2.55 / 2  # a close-up is that many faces wide: a tight crop
CROP_CENTRE = (0.5, 0.47)  # of the point between the pupils, in sizes of a close-up


@dataclasses.dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera on its tripod in front of a subject.

    Attributes:
        height, width: of the frames, px.
        face: width of the face, px: 2 face units.
        centre: (x, y) px of the point between the pupils of a face that looks
            straight ahead, within the frame, to half a pixel. Whole numbers are
            the centres of pixels, (0, 0) that of the upper left one.
        grey: monochrome; its three channels are equal and share their noise.
    """

    height: int
    width: int
    face: float
    centre: tuple[float, float]
    grey: bool = False

    def __post_init__(self):
        x, y = self.centre
        if not (0 <= x < self.width and 0 <= y < self.height):
            raise ValueError(
                f"centre must be within the frame of {self.width} x {self.height} px, "
                f"got {self.centre}: give (x, y) of the point between the pupils"
            )
        if not self.face >= 8:
            raise ValueError(f"face must be at least 8 px wide, got {self.face}")

    @classmethod
    def close_up(cls, size: int, grey: bool = False) -> "Camera":
        """A square frame filled by the face, as in the cropped corpora."""
        x, y = CROP_CENTRE
        return cls(
            height=size,
            width=size,
            face=size / FACES_PER_CROP,
            centre=(x * size, y * size),
            grey=grey,
        )

    @property
    def scale(self) -> float:
        """Pixels per face unit."""
        return self.face / 2

    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Face units right of and below `centre`: `[1, W]` and `[H, 1]` float32."""
        columns = np.arange(self.width, dtype=np.float32)[None, :]
        rows = np.arange(self.height, dtype=np.float32)[:, None]
        x, y = self.centre
        return (columns - x) / self.scale, (rows - y) / self.scale
