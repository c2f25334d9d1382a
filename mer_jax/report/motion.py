"""Curves of motion as a picture, after Figure 6 of MoExt (arXiv 2407.07345)."""

import io
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

STAMP = "SYNTHETIC: the motion of drawn faces, not of people"

_COLOURS = ("#1f6fb2", "#d9730d")
_INK, _STAMP_INK, _DPI = "#1a1a1a", "#b00020", 150


class Curve(NamedTuple):
    """The motion of n clips of one kind, frame by frame.

    Attributes:
      clips: int[K], how many have frame k = 1..K.
      magnitude, magnitude_error: float[K], px, and standard error (NaN: unknown).
      angle, angle_error: float[K], degrees, 0 right and 90 up (NaN: unknown).
    """

    clips: np.ndarray
    magnitude: np.ndarray
    magnitude_error: np.ndarray
    angle: np.ndarray
    angle_error: np.ndarray


def motion_png(
    curves: Mapping[str, Curve],
    *,
    title: str,
    reach: float | None,
    frames: Mapping[str, int],
    synthetic: bool,
) -> bytes:
    """Draws length and direction of the mean optical flow over frames.

    Args:
      curves: name, such as 'micro', -> its curve; at most two.
      title: what the clips belong to.
      reach: px, drawn as a level: how far micro-expressions move to their apex.
      frames: what -> a frame to mark by an upright line, such as a pseudo-apex.
      synthetic: whether any clip was drawn by a program; stamps the picture.

    Returns:
      A PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    lengths, angles = figure.subplots(1, 2)
    for (name, curve), colour in zip(curves.items(), _COLOURS, strict=False):
        style = {"color": colour, "label": f"{name}, n = {_counts(curve.clips)}"}
        _band(lengths, curve.magnitude, curve.magnitude_error, style)
        # No line from point to point: where it crosses 180 degrees it would mislead.
        k = 1 + np.arange(len(curve.angle))
        angles.errorbar(k, curve.angle, curve.angle_error, fmt="o", ms=4, **style)
    if reach is not None:
        lengths.axhline(reach, color=_INK, lw=1, ls=":", label="micro, at the apex")
    for dashes, (what, frame) in zip(("--", "-."), frames.items(), strict=False):
        lengths.axvline(frame, color=_INK, lw=1, ls=dashes, label=f"{what}: {frame}")
    lengths.set_ylabel("mean length of optical flow, px of the crop")
    lengths.set_ylim(bottom=0)
    angles.set_ylabel("mean direction, degrees (0 right, 90 up)")
    angles.set_ylim(-180, 180)
    angles.set_yticks(range(-180, 181, 90))
    for axes in (lengths, angles):
        axes.set_xlabel("frame k, the onset being 1")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    text = f"{title}\n{STAMP}" if synthetic else title
    colour = _STAMP_INK if synthetic else _INK
    figure.suptitle(text, fontsize=10, color=colour, parse_math=False)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _counts(clips: np.ndarray) -> str:
    most, least = int(clips.max()), int(clips.min())
    return f"{most}" if most == least else f"{most} to {least}"


def _band(axes, mean: np.ndarray, error: np.ndarray, style: dict[str, str]) -> None:
    k = 1 + np.arange(len(mean))
    axes.plot(k, mean, marker="o", ms=3, **style)
    low, high = mean - np.nan_to_num(error), mean + np.nan_to_num(error)
    axes.fill_between(k, low, high, color=style["color"], alpha=0.2, linewidth=0)
