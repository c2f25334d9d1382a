"""Contact sheets: what a person looks at before trusting a corpus."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mer_jax.errors import UserError
from mer_jax.preprocess.flow import grey, optical_flow

TILE = 160  # px, height of a picture
LEAST = 480  # px, width of a strip: room for its caption
LINE = 18  # px, height of a line of the caption
GAP = 12  # px, between strips
GAIN = 6  # of the difference
FULL = 2 / 128  # motion drawn in full colour, as a share of a picture's height
COLUMNS = 2  # strips side by side
WHEEL = 40  # px, of the legend

_LEGEND = (
    f"onset, apex, difference (x {GAIN}), motion from onset to apex:",
    "its direction as in the wheel, 2 px of 128 and more in full colour",
)

_INK, _MARK = (20, 20, 20), (190, 0, 30)  # RGB
_WHITE = 255


def strip(
    caption: str, onset: np.ndarray, apex: np.ndarray | None, *, mark: str = ""
) -> np.ndarray:
    """Draws a clip: its onset, its apex, their difference, and the motion between.

    The difference is six times amplified. Of the motion, the colour is the direction
    and its strength the length, 2 px of 128 in full colour; white is no motion. Frames
    of different sizes have neither.

    Args:
      caption: first line.
      onset: uint8[H, W, 3] RGB, at least 16 px.
      apex: uint8[H, W, 3], None of a still: then it is drawn alone.
      mark: second line, in red: what is wrong with the clip.

    Returns:
      uint8[h, w, 3] RGB.
    """
    tiles = [_tile(frame) for frame in (onset, apex) if frame is not None]
    if apex is not None and onset.shape == apex.shape:
        difference = (tiles[1].astype(np.int16) - tiles[0]) * GAIN + 128
        tiles.append(np.clip(difference, 0, 255).astype(np.uint8))
        flow = optical_flow(grey(onset), grey(apex))
        tiles.append(_tile(flow_colours(flow, limit=FULL * len(onset))))
    body = np.hstack(tiles)
    drawn = np.full((2 * LINE + TILE, max(LEAST, body.shape[1]), 3), _WHITE, np.uint8)
    _write(drawn, caption, LINE - 5, _INK)
    _write(drawn, mark, 2 * LINE - 6, _MARK)
    drawn[2 * LINE :, : body.shape[1]] = body
    return drawn


def flow_colours(flow: np.ndarray, *, limit: float) -> np.ndarray:
    """Returns a colour wheel's picture of optical flow.

    Args:
      flow: float[H, W, 2] (u, v) in px, v down.
      limit: px, length of full colour; longer ones look the same.

    Returns:
      uint8[H, W, 3] RGB: red is right, and up, left and down follow at a quarter of
      the wheel each, yellow-green, cyan and violet; white is no motion.
    """
    import cv2

    u, v = flow[..., 0], flow[..., 1]
    turn = np.degrees(np.arctan2(-v, u)) % 360 / 2  # OpenCV's hue ends at 180
    length = np.clip(np.hypot(u, v) / limit, 0, 1) * 255
    full = np.full_like(length, 255)
    colours = np.rint(np.dstack([turn % 180, length, full])).astype(np.uint8)
    colours[..., 0] %= 180
    return cv2.cvtColor(colours, cv2.COLOR_HSV2RGB)


def contact_sheet(strips: Sequence[np.ndarray]) -> bytes:
    """Returns a PNG of strips, two side by side, below a legend.

    Args:
      strips: at least one, from `strip`.
    """
    import cv2

    height = max(len(one) for one in strips) + GAP
    width = max(one.shape[1] for one in strips) + GAP
    rows = -(-len(strips) // COLUMNS)
    columns = min(COLUMNS, len(strips))
    sheet = np.full((rows * height, columns * width, 3), _WHITE, np.uint8)
    sheet = np.vstack([_legend(sheet.shape[1]), sheet])
    for number, one in enumerate(strips):
        row, column = divmod(number, columns)
        top, left = WHEEL + GAP + row * height, column * width + GAP // 2
        sheet[top : top + len(one), left : left + one.shape[1]] = one
    _, encoded = cv2.imencode(".png", sheet[..., ::-1])
    return encoded.tobytes()


def _legend(width: int) -> np.ndarray:
    legend = np.full((WHEEL + GAP, width, 3), _WHITE, np.uint8)
    x, y = np.meshgrid(*[np.linspace(-1, 1, WHEEL)] * 2)
    wheel = flow_colours(np.dstack([x, y]), limit=1)
    wheel[np.hypot(x, y) > 1] = _WHITE
    legend[GAP // 2 : GAP // 2 + WHEEL, GAP // 2 : GAP // 2 + WHEEL] = wheel
    beside = legend[:, GAP + WHEEL :]
    for number, text in enumerate(_LEGEND):
        _write(beside, text, (number + 1) * LINE + GAP // 4, _INK)
    return legend


def picture(encoded: bytes, place: str, *, side: int = 256) -> np.ndarray:
    """Returns a frame to draw, of one size whatever the release's.

    Depths become grey, from the nearest of the frame to its farthest.

    Args:
      encoded: the frame as released.
      place: of it, for messages.
      side: px, of the shorter side.

    Returns:
      uint8[H, W, 3] RGB.

    Raises:
      UserError: if it is no picture.
    """
    import cv2

    data = np.frombuffer(encoded, np.uint8)
    how = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR_RGB
    frame = cv2.imdecode(data, how) if len(data) else None
    if frame is None:
        raise UserError(f"{place}: a frame is no picture; unpack the release again")
    if frame.dtype == np.uint16:
        frame = _stretched(frame)
    scale = side / min(frame.shape[:2])
    size = [round(length * scale) for length in frame.shape[1::-1]]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(frame, size, interpolation=how)


def _stretched(depth: np.ndarray) -> np.ndarray:
    """Returns uint8 of the same shape; 0 is where the camera saw no distance."""
    there = depth[depth > 0]
    near, far = (int(there.min()), int(there.max())) if there.size else (0, 1)
    grey_levels = (depth.astype(np.float32) - near) * (255 / max(1, far - near))
    return np.clip(grey_levels, 0, 255).astype(np.uint8)


def _tile(frame: np.ndarray) -> np.ndarray:
    import cv2

    height, width = frame.shape[:2]
    size = (max(1, round(width * TILE / height)), TILE)
    how = cv2.INTER_AREA if height > TILE else cv2.INTER_LINEAR
    return cv2.resize(frame, size, interpolation=how)


def _write(onto: np.ndarray, text: str, baseline: int, colour) -> None:
    import cv2

    style: Any = (cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)
    onto[:] = cv2.putText(onto.copy(), text, (3, baseline), *style)
