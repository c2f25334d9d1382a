"""A contact sheet: what a person looks at before trusting a corpus."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mer_jax.errors import UserError

TILE = 160  # px, height of a picture
CAPTION = 22  # px
GAIN = 6  # of the difference
COLUMNS = 2  # strips side by side


class Strip(NamedTuple):
    """One clip: a caption, and its onset and apex frames, encoded."""

    caption: str
    onset: bytes
    apex: bytes


def contact_sheet(strips: Sequence[Strip], stamp: str) -> bytes:
    """Returns a PNG of every clip's onset, apex, and difference, six times amplified.

    Args:
      strips: at least one.
      stamp: printed on every caption, '' for none.

    Raises:
      UserError: if a frame cannot be decoded.
    """
    import cv2

    drawn = [_strip(strip, stamp) for strip in strips]
    width = max(picture.shape[1] for picture in drawn)
    blank = np.full((TILE + CAPTION, width, 3), 255, np.uint8)
    wide = [_widened(picture, blank) for picture in drawn]
    wide += [blank] * (-len(wide) % COLUMNS)
    rows = [np.hstack(wide[i : i + COLUMNS]) for i in range(0, len(wide), COLUMNS)]
    _, encoded = cv2.imencode(".png", np.vstack(rows)[..., ::-1])
    return encoded.tobytes()


def _strip(strip: Strip, stamp: str) -> np.ndarray:
    onset, apex = (_tile(strip.caption, x) for x in (strip.onset, strip.apex))
    pictures = [onset, apex]
    if onset.shape == apex.shape:
        difference = (apex.astype(np.int16) - onset) * GAIN + 128
        pictures.append(np.clip(difference, 0, 255).astype(np.uint8))
    picture = np.hstack(pictures)
    caption = np.full((CAPTION, picture.shape[1], 3), 255, np.uint8)
    return np.vstack([_written(caption, f"{strip.caption} {stamp}"), picture])


def _tile(caption: str, encoded: bytes) -> np.ndarray:
    import cv2

    frame = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
    if frame is None:
        raise UserError(f"{caption}: a frame is no picture; unpack the release again")
    height, width = frame.shape[:2]
    size = (max(1, round(width * TILE / height)), TILE)
    how = cv2.INTER_AREA if height > TILE else cv2.INTER_LINEAR
    return cv2.resize(frame, size, interpolation=how)


def _widened(picture: np.ndarray, blank: np.ndarray) -> np.ndarray:
    wide = blank.copy()
    wide[:, : picture.shape[1]] = picture
    return wide


def _written(caption: np.ndarray, text: str) -> np.ndarray:
    import cv2

    style: Any = (cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return cv2.putText(caption, text, (3, CAPTION - 8), *style)
