"""Films of any shape and length: a face of a given size at a given place.

film(seed=0, subject="sub01", clip="EP02_01f", emotion="happiness",
     camera=Camera(height=480, width=640, face=200, centre=(320, 200)),
     num_frames=25, apex=11)
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from datasets_tfds.synthetic import clip as clips
from datasets_tfds.synthetic import landmarks
from datasets_tfds.synthetic.actor import cast
from datasets_tfds.synthetic.camera import Camera as Camera  # part of the interface
from datasets_tfds.synthetic.clip import Scene
from datasets_tfds.synthetic.performance import ORDINARY, Setting, perform
from datasets_tfds.synthetic.raster import Point


@dataclasses.dataclass(frozen=True)
class Footage:
    """A clip of T frames, of which each is drawn when it is asked for."""

    scene: Scene

    @property
    def num_frames(self) -> int:
        """T, from onset to offset."""
        return len(self.scene.performance.intensity)

    @property
    def apex(self) -> int:
        """Position of the apex frame; the onset is frame 0."""
        return self.scene.performance.apex

    @property
    def action_units(self) -> str:
        """What the face does, e.g. '6+12' or 'L14'; empty for a neutral face."""
        return self.scene.performance.expression.code

    def frames(self) -> Iterator[np.ndarray]:
        """All frames from onset to offset, see `frame`."""
        return map(self.frame, range(self.num_frames))

    def frame(self, t: int) -> np.ndarray:
        """`[H, W, 3]` uint8 RGB; the same whichever other frames are drawn."""
        return clips.render(self.scene, t)

    def motion(self, t: int) -> np.ndarray:
        """True optical flow from the onset frame to frame `t`.

        Returns:
            `[H, W, 2]` float32, (dx, dy) in pixels; without that of lids which
            blink and of irises, see `clip.motion`.
        """
        return clips.motion(self.scene, t)

    def head_motion(self, t: int) -> np.ndarray:
        """The same of the head alone, as if the face made no expression."""
        return clips.head_motion(self.scene, t)

    def landmarks(self, t: int) -> Mapping[int, Point]:
        """True (x, y) in pixels of points of the MediaPipe face mesh, by number.

        Eye corners 33, 133, 362, 263; bridge of the nose 168, 6, 197, 195, 5; chin
        152, jaw 176, brow 334.
        """
        return landmarks.in_frame(self.scene, t)


def film(
    *,
    seed: int,
    subject: str,
    clip: str,
    emotion: str,
    camera: Camera,
    num_frames: int,
    apex: int | None = None,
    setting: Setting = ORDINARY,
    room: int | None = None,
) -> Footage:
    """Films one clip; a pure function of its arguments.

    Another camera sees the same face do the same. Another length changes the
    movements of the head, but not the expression.

    Args:
        seed: of faces and movements.
        subject: name of a person; the same face in all of its clips.
        clip: name of the clip, unique for this subject.
        emotion: a key of `expressions.EMOTIONS`, 'neutral' for none.
        camera: that films it.
        num_frames: from onset to offset, at least 2.
        apex: position of the apex frame, drawn near the middle where None.
        setting: difficulty of the movements.
        room: number of the room in `rooms.ROOMS`, the same in all clips of a subject;
            None for light of the subject's own.

    Raises:
        ValueError: for an unknown emotion or room, or unless 0 < apex < num_frames.
    """
    actor = cast(seed, subject, camera, room)
    performance = perform(
        actor, clip, emotion, setting, num_frames=num_frames, apex=apex
    )
    return Footage(clips.stage(actor, performance))
