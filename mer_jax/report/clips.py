"""Sample clips as a picture: one line per clip, one column per thing a stage shows."""

import io
import textwrap
from collections.abc import Sequence

import numpy as np

from mer_jax.report.row import Row, SampleClips

_INK, _STAMP_INK, _DPI = "#1a1a1a", "#b00020", 150
_CELL, _GAP, _MARGINS = 1.25, 0.12, (2.8, 1.2)  # inches; a cell's longer side
_LINES = 0.7  # inches, least height of a cell: that of a clip's label
_MAP, _GREY = "viridis", "gray"  # colours
_OPACITY = 0.7  # of a map laid over an image, where it is greatest
_HEADING, _LABEL = 18, 30  # characters in a line


def clips_png(row: Row, clips: SampleClips) -> bytes:
    """Draws clips with their true class and what the last epoch predicts.

    Args:
      row: what the clips belong to.
      clips: at least one; maps are drawn in colours from 0 to 1, images as they are,
        a map over an image the more opaque the greater it is.

    Returns:
      A PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pictures = clips.pictures
    columns = list(dict.fromkeys(n for own in pictures.values() for n in own))
    shapes = [p.shape[:2] for own in pictures.values() for p in own.values()]
    height, width = np.max(shapes, axis=0)
    inch = max(_CELL / max(height, width), _LINES / height)
    cell = inch * np.array([width, height]) + _GAP
    size = cell * [len(columns), len(pictures)] + _MARGINS
    figure = Figure(figsize=tuple(size), dpi=_DPI, layout="compressed")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(pictures), len(columns), squeeze=False)
    for axes, (key, own) in zip(grid, pictures.items(), strict=True):
        _line(axes, [own.get(name) for name in columns])
        _label(axes[0], row, clips.seed, key)
    for ax, name in zip(grid[0], columns, strict=True):
        ax.set_title(_heading(name), fontsize=8, color=_INK, parse_math=False)
    _scale(figure, grid)
    _title(figure, row, clips)
    out = io.BytesIO()
    figure.savefig(out, format="png", bbox_inches="tight", metadata={"Software": None})
    return out.getvalue()


def _line(axes, pictures: Sequence[np.ndarray | None]) -> None:
    for ax, picture in zip(axes, pictures, strict=True):
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_visible(False)
        if picture is not None and picture.shape[2:] == (2,):
            image, over = np.moveaxis(picture, 2, 0)
            ax.imshow(image, cmap=_GREY, vmin=0, vmax=255)
            ax.imshow(over, cmap=_MAP, vmin=0, vmax=255, alpha=_OPACITY * over / 255)
        elif picture is not None:
            ax.imshow(picture, cmap=_MAP, vmin=0, vmax=255)


def _scale(figure, grid) -> None:
    """Adds the colours of maps, as high as a picture."""
    images = [image for ax in grid.flat for image in ax.get_images()]
    coloured = [image for image in images if image.get_cmap().name == _MAP]
    maps = [image for image in coloured if image.get_array().ndim == 2]
    if maps:
        high = {"shrink": 1 / len(grid), "aspect": 8, "fraction": 0.05, "pad": 0.02}
        bar = figure.colorbar(maps[0], ax=grid, ticks=[0, 255], **high)
        bar.ax.set_yticklabels(["0", "1"], fontsize=8)
        bar.outline.set_visible(False)


def _heading(column: str) -> str:
    stage, name = column.split("/", 1)
    return "\n".join([stage, *textwrap.wrap(name.replace("_", " "), _HEADING)])


def _label(ax, row: Row, seed: int, key: str) -> None:
    r = row.results
    clip = r.keys.index(key)
    predicted = r.predictions[r.seeds.index(seed), -1, clip]
    lines = textwrap.wrap(key, _LABEL)
    lines += [f"true: {r.classes[r.labels[clip]]}"]
    lines += [f"predicted: {r.classes[predicted]}"]
    style = {"rotation": 0, "ha": "right", "va": "center", "fontsize": 8}
    ax.set_ylabel("\n".join(lines), color=_INK, parse_math=False, **style)


def _title(figure, row: Row, clips: SampleClips) -> None:
    what = f"held-out clips, seed {clips.seed}, last epoch {row.results.epochs[-1]}"
    lines = [*textwrap.wrap(row.name, 64), what]
    lines += [line for line in (row.warning, row.stamp) if line]
    colour = _STAMP_INK if row.stamp or row.warning else _INK
    figure.suptitle("\n".join(lines), fontsize=9, color=colour, parse_math=False)
