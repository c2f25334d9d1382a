"""Writes releases of noise in the published layout, for tests and demonstrations."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from datasets_tfds import record
from datasets_tfds.megc2019_flow import release

# Six subjects, two of each corpus, who together show every class.
MINIATURE = ("sub02", "sub04", "s02", "s11", "006", "033")


def write_release(
    folder: Path,
    *,
    subjects: Iterable[str] | None = MINIATURE,
    seed: int = 0,
    trailing_space: bool = True,
) -> dict[str, Path]:
    """Writes a release whose images are noise, and marks it as synthetic.

    Args:
      folder: where the subject folders go; made if absent.
      subjects: names of published subjects, None for all 68 (442 clips).
      seed: of the noise; the noise of a clip also depends on the clips before it.
      trailing_space: whether names end in a space before '.png', as published.

    Returns:
      key -> file, in published order.

    Raises:
      ValueError: if a subject is not a published one.
    """
    rows = list(release.published_clips().values())
    if subjects is not None:
        chosen = set(subjects)
        if unknown := chosen - {row.subject for row in rows}:
            raise ValueError(f"not published subjects: {sorted(unknown)}")
        rows = [row for row in rows if row.subject in chosen]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / record.MARKER).write_text("Noise. Scores on it say nothing.\n")
    rng = np.random.default_rng(seed)
    files = {}
    for row in rows:
        path = folder / row.path
        if trailing_space:
            path = path.with_name(f"{path.stem} .png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise_png(rng))
        files[row.key] = path
    return files


def noise_png(
    rng: np.random.Generator, *, size: int = release.SIZE, mode: str = "RGB"
) -> bytes:
    """Returns the bytes of a png of uniform noise in the PIL mode asked for."""
    pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, format="PNG")
    return file.getvalue()
