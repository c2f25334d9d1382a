"""What one clip is in every corpus: who, what and where from, beside its pixels.

A builder names its payload (frames, flow); everything else is the same here, so
that a reader of one corpus reads them all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

SPLIT = "clips"  # the one split: leave-one-subject-out folds are lists of indices


class ReleaseError(ValueError):
    """A release on disk is not what its builder needs.

    The text names the file or folder, says what was expected and what to do.
    """


def clip_features(
    payload: Mapping[str, Any], classes: Sequence[str]
) -> tfds.features.FeaturesDict:
    """Returns the features of one clip.

    Args:
      payload: name -> TFDS feature (or dtype) of what the corpus itself stores.
      classes: class names in the order of their numbers.

    Returns:
      'key' ('corpus/subject/clip', unique), 'corpus', 'subject'
      ('corpus/subject', the leave-one-subject-out group), 'label' (int64 in
      [0, K)), 'synthetic' (True where no real face is behind the clip), and the
      payload.

    Raises:
      ValueError: if the payload redefines one of those five.
    """
    record = {
        "key": tfds.features.Text(),
        "corpus": tfds.features.Text(),
        "subject": tfds.features.Text(),
        "label": tfds.features.ClassLabel(names=list(classes)),
        "synthetic": tfds.features.Scalar(np.bool_),
    }
    redefined = sorted(record.keys() & payload.keys())
    if redefined:
        raise ValueError(f"a payload may not redefine the record's {redefined}")
    return tfds.features.FeaturesDict(record | dict(payload))
