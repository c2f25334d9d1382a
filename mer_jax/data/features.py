"""What a system reads of each clip: stored by the corpus or derived from frames."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from mer_jax.data.prepared import Prepared, Progress
from mer_jax.data.selection import Chosen
from mer_jax.errors import UserError
from mer_jax.preprocess.apex import spots_of_clips
from mer_jax.preprocess.cache import cached
from mer_jax.preprocess.crops import Alignment, Crops, Footage, crops_of_clips
from mer_jax.preprocess.flow import flow_image, flow_recipe
from mer_jax.preprocess.landmarks import Landmarker, landmarks_recipe
from mer_jax.preprocess.parallel import in_order

if TYPE_CHECKING:  # it names this module's functions
    from mer_jax.data.corpora import Data

_INDICES = ("onset_index", "apex_index", "offset_index", "apex_source")

Owner = Mapping[str, Prepared]  # clip key -> the corpus that has it


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
    chosen: Sequence[Chosen],
    owner: Owner,
    data: "Data",
    features: Mapping[str, jax.ShapeDtypeStruct],
    *,
    cache: Path,
    progress: Progress,
) -> Arrays:
    """Returns the features of a sample.

    Args:
      chosen: the N clips.
      owner: of each.
      data: how frames become features.
      features: name -> shape and dtype of one clip.
      cache: of derived arrays.
      progress: told what is being done.

    Raises:
      UserError: for a feature that a corpus cannot give, or not in this size.
    """
    found: dict[str, np.ndarray] = {}
    kept, rules = np.ones(len(chosen), bool), list[str]()
    for name, spec in features.items():
        if all(name in owner[c.clip["key"]].stored for c in chosen):
            found[name] = _stored(name, chosen, owner, progress)
        elif name == "flow" and all(
            "frames" in owner[c.clip["key"]].stored for c in chosen
        ):
            size = spec.shape[0]
            derived = _flow(size, chosen, owner, data, cache, progress)
            found[name], kept = derived.features["flow"], kept & derived.kept
            rules += derived.rules
        else:
            raise _cannot_give(name, chosen, owner)
        _check(name, found[name], spec, data)
    return Arrays({k: v[kept] for k, v in found.items()}, kept, tuple(rules))


def _stored(name, chosen: Sequence[Chosen], owner: Owner, progress) -> np.ndarray:
    values = []
    for c in chosen:
        one = owner[c.clip["key"]]
        values.append(one.decoded(c.clip, name))
        progress(f"reading {one.name}", len(values), len(chosen))
    return np.stack(values)


def _cannot_give(name: str, chosen: Sequence[Chosen], owner: Owner) -> UserError:
    corpora = {one.name: one for one in (owner[c.clip["key"]] for c in chosen)}
    stored = {corpus: sorted(one.stored) for corpus, one in corpora.items()}
    return UserError(f"the corpora cannot give {name!r}; they store {stored}")


def _check(name: str, array: np.ndarray, spec: jax.ShapeDtypeStruct, data) -> None:
    if array.shape[1:] != spec.shape or array.dtype != spec.dtype:
        raise UserError(
            f"{'+'.join(data.corpora)} gives {name!r} as "
            f"{array.dtype}{array.shape[1:]}, the system reads "
            f"{spec.dtype}{spec.shape}: change system.size or the corpus"
        )


def _flow(
    size: int,
    chosen: Sequence[Chosen],
    owner: Owner,
    data: "Data",
    cache: Path,
    progress: Progress,
) -> Arrays:
    """Returns flow images, from disk if these very clips were asked for before."""
    name = "+".join(data.corpora)
    flow: dict[str, Any] = {
        "size": size,
        "method": data.flow,
        "limit": data.flow_limit,
    }

    def compute() -> dict[str, np.ndarray]:
        _refuse_what_does_not_move(chosen)
        with Landmarker(data.landmarker) as landmarks:
            work = _Work(chosen, owner, data, landmarks, cache, progress)
            crops = list(_pairs(work, _apexes(work)))
        image = functools.partial(_flow_image, flow)
        clips = [(c.clip["key"], pair) for c, pair in zip(chosen, crops, strict=True)]
        images = in_order(image, clips, progress=work.told("optical flow of"))
        return {
            "flow": np.stack(list(images)),
            "faces": np.array([c.face if c else "skipped" for c in crops]),
        }

    key = {**flow_recipe(**flow), **_recipe(chosen, data)}
    arrays = cached(cache / "flow", name.replace("/", "-"), key, compute)
    kept = arrays["faces"] != "skipped"
    rules = _rules(chosen, arrays, data)
    return Arrays({"flow": arrays["flow"]}, kept, tuple(rules))


def _flow_image(flow: dict[str, Any], clip: tuple[str, Crops | None]) -> np.ndarray:
    key, crops = clip
    if crops is None:  # left out when all are there
        return np.zeros((flow["size"], flow["size"], 3), np.uint8)
    try:
        return flow_image(*crops.frames, **flow)
    except ValueError as error:
        raise UserError(f"optical flow of {key}: {error}") from error


def _recipe(chosen: Sequence[Chosen], data: "Data") -> dict[str, object]:
    """Returns what the onset and apex crops of a sample depend on, for a cache key."""
    clips = [[c.clip["content"], *map(c.reading.get, _INDICES)] for c in chosen]
    return {
        "clips": hashlib.sha256(json.dumps(clips).encode()).hexdigest(),
        "apex": data.apex,
        "alignment": dataclasses.asdict(_alignment(data)),
        "landmarks": landmarks_recipe(),
    }


def _alignment(data: "Data") -> Alignment:
    return Alignment(
        align=data.align,
        size=data.crop,
        stabilise=data.stabilise,
        on_no_face=data.on_no_face,
    )


class _Work(NamedTuple):
    """What is needed to get at the frames of a sample."""

    chosen: Sequence[Chosen]
    owner: Owner
    data: "Data"
    landmarks: Landmarker
    cache: Path
    progress: Progress

    def footage(self, c: Chosen, wanted: Sequence[int]) -> Footage:
        """Returns a clip with the frames wanted of it."""
        return Footage(
            key=c.clip["key"],
            content=c.clip["content"],
            frames=functools.partial(
                self.owner[c.clip["key"]].encoded, c.clip, "frames"
            ),
            onset=c.reading["onset_index"],
            wanted=tuple(wanted),
        )

    def told(self, what: str) -> Callable[[int, int], None]:
        """Returns the progress of one kind of work."""
        name = "+".join(self.data.corpora)
        return lambda done, total: self.progress(f"{what} {name}", done, total)


def _refuse_what_does_not_move(chosen: Sequence[Chosen]) -> None:
    for c in chosen:
        if c.reading["apex_source"] == "still" or c.clip.get("modality") == "depth":
            what = c.clip.get("modality", "")
            raise UserError(
                f"{c.clip['key']} is a still or of modality {what!r}: no optical flow "
                "can be had of it. Leave its config out of data.corpora"
            )


def _apexes(work: _Work) -> list[int]:
    """Returns the apex of every clip: annotated, the middle, or spotted."""
    apexes = [c.reading["apex_index"] for c in work.chosen]
    if work.data.apex == "middle":
        return apexes
    blind = [i for i, c in enumerate(work.chosen) if not _has_apex(c) and _moves(c)]
    footage = []
    for i in blind:
        reading = work.chosen[i].reading
        whole = range(reading["onset_index"], reading["offset_index"] + 1)
        footage.append(work.footage(work.chosen[i], whole))
    spots = spots_of_clips(
        footage,
        _alignment(work.data),
        work.landmarks,
        directory=work.cache / "apexes",
        progress=work.told("spotting apexes of"),
    )
    for i, clip, spot in zip(blind, footage, spots, strict=True):
        if spot is not None:  # a clip without a face is told of when it is cropped
            apexes[i] = clip.wanted[spot]
    return apexes


def _has_apex(c: Chosen) -> bool:
    return c.reading["apex_source"] == "annotated"


def _moves(c: Chosen) -> bool:
    return c.reading["onset_index"] < c.reading["offset_index"]


def _pairs(work: _Work, apexes: Sequence[int]) -> Iterator[Crops | None]:
    """Yields the onset and apex crops of every clip."""
    footage = [
        work.footage(c, (c.reading["onset_index"], apex))
        for c, apex in zip(work.chosen, apexes, strict=True)
    ]
    return crops_of_clips(
        footage,
        _alignment(work.data),
        work.landmarks,
        directory=work.cache / "crops",
        progress=work.told("cropping faces of"),
    )


def _rules(chosen: Sequence[Chosen], arrays: Mapping[str, np.ndarray], data: "Data"):
    """Yields a line on everything that was guessed or left out."""
    blind = sum(not _has_apex(c) for c in chosen)
    if blind:
        how = {"middle": "the middle frame", "spotted": "spotted by optical flow"}
        yield f"no usable apex is annotated for {blind} clips: {how[data.apex]}"
    keys = np.array([c.clip["key"] for c in chosen])
    for face, what in (("skipped", "left out"), ("center_crop", "cropped centrally")):
        found = keys[arrays["faces"] == face].tolist()
        if found and data.align != face:
            yield f"no face found in {len(found)} clips, {what}: {', '.join(found)}"
