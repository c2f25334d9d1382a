"""Contact sheets of clips, from their records."""

from collections.abc import Callable, Sequence

import numpy as np

from mer_jax.data.prepared import Clip, Prepared
from mer_jax.errors import UserError
from mer_jax.preprocess.crops import Alignment, Crops, Footage, crop_clip
from mer_jax.preprocess.landmarks import Landmarks
from mer_jax.preprocess.sheet import TILE, contact_sheet, picture, strip

ROWS = 24  # subjects shown of a prepared corpus


def sheet_of(prepared: Prepared) -> bytes:
    """Returns a PNG with a clip of each of the first subjects.

    Raises:
      UserError: if the corpus stores no frames, or one is no picture.
    """
    if "frames" not in prepared.stored:
        raise UserError(f"{prepared.name} stores no frames to show")
    first: dict[str, Clip] = {}
    for clip in prepared.clips:
        first.setdefault(clip["subject"], clip)
    return contact_sheet(
        [
            strip_of(clip, prepared.encoded(clip, "frames"))
            for clip in list(first.values())[:ROWS]
        ]
    )


def strip_of(
    clip: Clip, frames: Sequence[bytes], crops: Crops | None = None, *, mark: str = ""
) -> np.ndarray:
    """Draws a clip from onset to apex, published errors mended as in a run.

    Args:
      clip: its record.
      frames: all of them, encoded.
      crops: of the face in onset and apex, to be drawn instead of the frames.
      mark: what is wrong with the clip.

    Returns:
      uint8[h, w, 3], see `preprocess.sheet.strip`.

    Raises:
      UserError: if a frame is no picture.
    """
    reading = clip.get("repaired", clip["annotated"])
    stamp = "SYNTHETIC  " if clip["synthetic"] else ""
    if crops is not None:
        onset, apex = crops.frames
    else:
        onset, apex = (
            picture(frames[reading[f"{name}_index"]], clip["key"])
            for name in ("onset", "apex")
        )
    still = reading["apex_source"] == "still"
    caption = f"{stamp}{clip['key']}  {reading['emotion']}"
    return strip(caption, onset, None if still else apex, mark=mark)


def face_of(
    clip: Clip, frames: Callable[[], Sequence[bytes]], landmarks: Landmarks
) -> Crops | None:
    """Returns the face in the onset and apex of a clip, to draw it.

    Args:
      clip: its record.
      frames: returns all of them, encoded.
      landmarks: finds faces.

    Returns:
      Two crops as tall as a picture of a strip, None where no face is found.

    Raises:
      UserError: if a frame is no picture.
    """
    reading = clip.get("repaired", clip["annotated"])
    footage = Footage(
        key=clip["key"],
        content="",  # nothing is cached
        frames=frames,
        onset=reading["onset_index"],
        wanted=(reading["onset_index"], reading["apex_index"]),
    )
    alignment = Alignment(align="template", size=TILE, on_no_face="skip")
    return crop_clip(footage, alignment, landmarks)
