"""What one clip is in every corpus: who, what and where from, beside its pixels.

A builder names its payload (frames, flow); everything else is the same here, so
that a reader of one corpus reads them all. Records hold what a release says, never
a class number: which clips count, and as what, is a protocol's business
(`protocols/README.md`).
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

SPLIT = "clips"  # the one split: leave-one-subject-out folds are lists of indices

MARKER = "SYNTHETIC"  # the file that marks a release as drawn by a program

DEPTH = "depth"  # the modality whose frames are no pictures but distances

_LINES = 20  # problems that a message spells out


class ReleaseError(ValueError):
    """A release on disk is not what its builder needs.

    The text names the file or folder, says what was expected and what to do.
    """

    def __init__(self, text: str):
        super().__init__(printable(text))


def printable(text: str) -> str:
    r"""Returns text that can be stored and printed.

    Names of files need not be UTF-8. Python has lone surrogates for such bytes, which
    become escapes.
    """
    return text.encode("utf-8", "backslashreplace").decode()


def problems_found(root: Path, problems: Sequence[str], advice: str) -> ReleaseError:
    """Returns the error that lists all that is wrong with a release at once.

    Args:
      root: of the release.
      problems: one line each; the first twenty are shown.
      advice: what to do about them.
    """
    shown = list(problems[:_LINES])
    if len(problems) > _LINES:
        shown.append(f"and {len(problems) - _LINES} more")
    head = f"{root}: {len(problems)} problem(s). No dataset was written; {advice}:"
    return ReleaseError("\n  ".join([head, *shown]))


def is_synthetic(root: Path) -> bool:
    """Returns whether `MARKER` lies anywhere in a release, or in a folder around it."""
    root = root.resolve()
    around = any((folder / MARKER).is_file() for folder in root.parents)
    return around or any(MARKER in files for _, _, files in os.walk(root))


def clip_features(payload: Mapping[str, Any]) -> tfds.features.FeaturesDict:
    """Returns the features of one clip.

    Args:
      payload: name -> TFDS feature (or dtype) of what the corpus itself stores.

    Returns:
      'key' ('corpus/subject/clip', unique), 'corpus', 'subject'
      ('corpus/subject', the leave-one-subject-out group), 'synthetic' (True where
      no real face is behind the clip), 'annotated' (at least its 'emotion', as the
      release writes it), and the payload.

    Raises:
      ValueError: if the payload redefines one of the first four.
    """
    record = {
        "key": tfds.features.Text(),
        "corpus": tfds.features.Text(),
        "subject": tfds.features.Text(),
        "synthetic": tfds.features.Scalar(np.bool_),
    }
    redefined = sorted(record.keys() & payload.keys())
    if redefined:
        raise ValueError(f"a payload may not redefine the record's {redefined}")
    labelled: dict[str, Any] = {"annotated": {"emotion": tfds.features.Text()}}
    return tfds.features.FeaturesDict(record | labelled | dict(payload))


def reading() -> dict[str, Any]:
    """Returns the features of one reading of a filmed clip's annotation.

    'emotion', 'action_units', 'onset', 'apex', 'offset' are text, as written;
    'onset_index', 'apex_index' and 'offset_index' are positions in the record's
    frames, counted from 0; 'apex_source' is 'annotated', or 'middle' where the
    release has no usable apex, or 'still' where the release has one picture instead
    of a film: it then is onset, apex and offset at once, and nobody annotated them.
    """
    text = ("emotion", "action_units", "onset", "apex", "offset", "apex_source")
    numbers = ("onset_index", "apex_index", "offset_index")
    return {name: tfds.features.Text() for name in text} | {
        name: tfds.features.Scalar(np.int32) for name in numbers
    }


def film_features(*, depth: bool = False) -> tfds.features.FeaturesDict:
    """Returns the features of a clip with frames, from a release on disk.

    Beside `clip_features`:

    * 'frames': the release's own bytes, decoded on reading to uint8[H, W, 3] RGB or,
      of depth, to uint16[H, W, 1]; 'frame_numbers': what the release calls them.
    * 'annotated' and 'repaired': `reading`s of the annotation as written, and with
      the published errors mended (`repairs.py`); equal where there are none.
    * 'repairs': one line for each repair that was made, or not made and why;
      'issues': one line for each thing that is odd about the annotation as written.
    * 'kind' ('micro' or 'macro'), 'modality' ('color', 'grey', 'depth', 'HS', ...),
      'fps' (0 of a still), 'objective_class' (text, '' if none),
      'annotation_version' (file and number of its rows).

    Args:
      depth: whether the frames are 16-bit depth maps, which as pictures of 8 bits
        would lose all but the lower ones.
    """
    image = tfds.features.Image
    frame = image(shape=(None, None, 1), dtype=np.uint16) if depth else image()
    text = ("kind", "modality", "objective_class", "annotation_version")
    lines = tfds.features.Sequence(tfds.features.Text())
    payload: dict[str, Any] = {
        "frames": tfds.features.Sequence(frame),
        "frame_numbers": tfds.features.Sequence(np.int32),
        "annotated": reading(),
        "repaired": reading(),
        "repairs": lines,
        "issues": lines,
        "fps": tfds.features.Scalar(np.float32),
        **{name: tfds.features.Text() for name in text},
    }
    return clip_features(payload)
