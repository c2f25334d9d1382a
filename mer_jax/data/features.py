"""What a system reads of each clip: stored by the corpus or derived from frames."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import numpy as np

from mer_jax.data.derive import DERIVED, rules_of
from mer_jax.data.footing import Footing
from mer_jax.errors import UserError


class Arrays(NamedTuple):
    """Features of a sample of N clips.

    Attributes:
      features: name -> [K, ...], of the K clips that have them.
      kept: bool[N], which those are.
      rules: a line on every clip that was guessed or left out on the way.
    """

    features: dict[str, np.ndarray]
    kept: np.ndarray
    rules: tuple[str, ...]


def feature_arrays(
    footing: Footing, features: Mapping[str, jax.ShapeDtypeStruct]
) -> Arrays:
    """Returns the features of a sample.

    Args:
      footing: the clips, where they are, and how frames become features.
      features: name -> shape and dtype of one clip.

    Raises:
      UserError: for a feature that a corpus cannot give, or not in this size.
    """
    found: dict[str, np.ndarray] = {}
    faces = np.full(len(footing.chosen), "unsought")
    filmed = all("frames" in one.stored for one in footing.corpora)
    for name, spec in features.items():
        if all(name in one.stored for one in footing.corpora):
            found[name] = _stored(name, footing)
        elif name in DERIVED and filmed:
            found[name], faces = DERIVED[name](footing, spec.shape)
        else:
            raise _cannot_give(name, footing)
        _check(name, found[name], spec, footing)
    kept = faces != "skipped"
    rules = rules_of(footing, faces) if filmed else ()
    return Arrays({k: v[kept] for k, v in found.items()}, kept, tuple(rules))


def _stored(name: str, footing: Footing) -> np.ndarray:
    values = []
    for c in footing.chosen:
        one = footing.owner_of(c)
        values.append(one.decoded(c.clip, name))
        footing.progress(f"reading {one.name}", len(values), len(footing.chosen))
    return np.stack(values)


def _cannot_give(name: str, footing: Footing) -> UserError:
    stored = {one.name: sorted(one.stored) for one in footing.corpora}
    return UserError(f"the corpora cannot give {name!r}; they store {stored}")


def _check(
    name: str, array: np.ndarray, spec: jax.ShapeDtypeStruct, footing: Footing
) -> None:
    if array.shape[1:] != spec.shape or array.dtype != spec.dtype:
        raise UserError(
            f"{footing.name} gives {name!r} as {array.dtype}{array.shape[1:]}, the "
            f"system reads {spec.dtype}{spec.shape}: change system.size or the corpus"
        )
