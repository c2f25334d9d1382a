"""Features derived from frames: faces cut out at onset and apex, flow between them."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from mer_jax.data.footing import Footing
from mer_jax.data.selection import Chosen
from mer_jax.errors import UserError
from mer_jax.preprocess.apex import spots_of_clips
from mer_jax.preprocess.crops import Alignment, Crops, Footage, crops_of_clips
from mer_jax.preprocess.flow import flow_image, flow_recipe
from mer_jax.preprocess.landmarks import Landmarker
from mer_jax.preprocess.parallel import in_order

Shape = tuple[int, ...]  # of one clip
Faces = np.ndarray  # [N] 'found', 'center_crop', 'unsought' or 'skipped'


def flow_images(footing: Footing, shape: Shape) -> tuple[np.ndarray, Faces]:
    """Returns uint8[N, size, size, 3] optical flow images, zero where skipped."""
    size, data = shape[0], footing.data
    alignment = footing.alignment(data.crop)
    recipe: dict[str, Any] = {
        "size": size,
        "method": data.flow,
        "limit": data.flow_limit,
    }

    def compute() -> dict[str, np.ndarray]:
        _refuse_what_does_not_move(footing.chosen)
        pairs = _pairs(footing, alignment)
        keys = [c.clip["key"] for c in footing.chosen]
        image = functools.partial(_flow_image, recipe)
        clips = list(zip(keys, pairs, strict=True))
        images = in_order(image, clips, progress=footing.told("optical flow of"))
        return {"flow": np.stack(list(images)), "faces": _faces(pairs)}

    arrays = footing.cached("flow", flow_recipe(**recipe), alignment, compute)
    return arrays["flow"], arrays["faces"]


def _flow_image(recipe: dict[str, Any], clip: tuple[str, Crops | None]) -> np.ndarray:
    key, crops = clip
    if crops is None:  # left out when all are there
        return np.zeros((recipe["size"], recipe["size"], 3), np.uint8)
    try:
        return flow_image(*crops.frames, **recipe)
    except ValueError as error:
        raise UserError(f"optical flow of {key}: {error}") from error


def frames(
    which: Literal["onset", "apex"], footing: Footing, shape: Shape
) -> tuple[np.ndarray, Faces]:
    """Returns uint8[N, size, size, 3] RGB crops of one frame, zero where skipped."""
    alignment = of_one_size(footing, shape[0])
    position = ("onset", "apex").index(which)

    def compute() -> dict[str, np.ndarray]:
        pairs = _pairs(footing, alignment)
        nothing = np.zeros(shape, np.uint8)
        chosen = [nothing if p is None else p.frames[position] for p in pairs]
        return {"frames": np.stack(chosen), "faces": _faces(pairs)}

    arrays = footing.cached("frames", {"frame": which}, alignment, compute)
    return arrays["frames"], arrays["faces"]


def of_one_size(footing: Footing, size: int) -> Alignment:
    """Returns how faces are cut out for a system that reads one size."""
    alignment = footing.alignment(size)
    if alignment.align == "none":
        return dataclasses.replace(alignment, align="center_crop")
    return alignment


def clip(footing: Footing, shape: Shape) -> tuple[np.ndarray, Faces]:
    """Returns uint8[N, T, size, size, 3], T RGB crops from onset to offset.

    Evenly spaced and rounded to the nearest frame, the later of two as near; short
    clips repeat frames. Zero where skipped.
    """
    offsets = [c.reading["offset_index"] for c in footing.chosen]
    return _until("clip", lambda *_: offsets, footing, shape)


def rise(footing: Footing, shape: Shape) -> tuple[np.ndarray, Faces]:
    """Returns uint8[N, T, size, size, 3], T RGB crops from onset to apex, as `clip`."""
    return _until("rise", functools.partial(_apexes, footing), footing, shape)


def _until(
    kind: str,
    ends: Callable[[Alignment, Landmarker], Sequence[int]],
    footing: Footing,
    shape: Shape,
) -> tuple[np.ndarray, Faces]:
    """Returns crops from the onset to the frame at which each clip `ends`."""
    count, size = shape[:2]
    alignment = of_one_size(footing, size)

    def compute() -> dict[str, np.ndarray]:
        with Landmarker(footing.data.landmarker) as landmarks:
            pairs = zip(footing.chosen, ends(alignment, landmarks), strict=True)
            footage = [footing.footage(c, _evenly(c, end, count)) for c, end in pairs]
            crops = _cropped(footing, footage, alignment, landmarks)
        nothing = np.zeros(shape, np.uint8)
        chosen = [nothing if c is None else c.frames for c in crops]
        return {kind: np.stack(chosen), "faces": _faces(crops)}

    arrays = footing.cached(kind, {"frames": count}, alignment, compute)
    return arrays[kind], arrays["faces"]


def _evenly(c: Chosen, end: int, count: int) -> list[int]:
    onset, steps = c.reading["onset_index"], max(count - 1, 1)
    return [
        onset + ((end - onset) * 2 * t + steps) // (2 * steps) for t in range(count)
    ]


DERIVED: Mapping[str, Callable[[Footing, Shape], tuple[np.ndarray, Faces]]] = {
    "flow": flow_images,
    "onset": functools.partial(frames, "onset"),
    "apex": functools.partial(frames, "apex"),
    "clip": clip,
    "rise": rise,
}


def _faces(pairs: Sequence[Crops | None]) -> Faces:
    return np.array([pair.face if pair else "skipped" for pair in pairs])


def _refuse_what_does_not_move(chosen: Sequence[Chosen]) -> None:
    for c in chosen:
        if c.reading["apex_source"] == "still" or c.clip.get("modality") == "depth":
            what = c.clip.get("modality", "")
            raise UserError(
                f"{c.clip['key']} is a still or of modality {what!r}: no optical flow "
                "can be had of it. Leave its config out of data.corpora"
            )


def _pairs(footing: Footing, alignment: Alignment) -> list[Crops | None]:
    """Returns the onset and apex crops of every clip."""
    with Landmarker(footing.data.landmarker) as landmarks:
        apexes = _apexes(footing, alignment, landmarks)
        footage = [
            footing.footage(c, (c.reading["onset_index"], apex))
            for c, apex in zip(footing.chosen, apexes, strict=True)
        ]
        return _cropped(footing, footage, alignment, landmarks)


def _cropped(
    footing: Footing,
    footage: Sequence[Footage],
    alignment: Alignment,
    landmarks: Landmarker,
) -> list[Crops | None]:
    crops: Iterator[Crops | None] = crops_of_clips(
        footage,
        alignment,
        landmarks,
        directory=footing.cache / "crops",
        progress=footing.told("cropping faces of"),
    )
    return list(crops)


def _apexes(footing: Footing, alignment: Alignment, landmarks: Landmarker) -> list[int]:
    """Returns the apex of every clip: annotated, pseudo, the middle, or spotted."""
    apexes = [_apex(c, footing.data.macro_apex) for c in footing.chosen]
    if footing.data.apex == "middle":
        return apexes
    blind = [i for i, c in enumerate(footing.chosen) if not _has_apex(c) and _moves(c)]
    footage = []
    for i in blind:
        reading = footing.chosen[i].reading
        whole = range(reading["onset_index"], reading["offset_index"] + 1)
        footage.append(footing.footage(footing.chosen[i], whole))
    spots = spots_of_clips(
        footage,
        alignment,
        landmarks,
        directory=footing.cache / "apexes",
        progress=footing.told("spotting apexes of"),
    )
    for i, clip, spot in zip(blind, footage, spots, strict=True):
        if spot is not None:  # a clip without a face is told of when it is cropped
            apexes[i] = clip.wanted[spot]
    return apexes


def _apex(c: Chosen, macro_apex: int | None) -> int:
    reading = c.reading
    if macro_apex is None or c.clip.get("kind") != "macro":
        return reading["apex_index"]
    return min(reading["onset_index"] + macro_apex, reading["offset_index"])


def _has_apex(c: Chosen) -> bool:
    return c.reading["apex_source"] == "annotated"


def _moves(c: Chosen) -> bool:
    return c.reading["onset_index"] < c.reading["offset_index"]


def rules_of(footing: Footing, faces: Faces) -> Iterator[str]:
    """Yields a line on everything that was guessed or left out."""
    data, chosen = footing.data, footing.chosen
    blind = sum(not _has_apex(c) for c in chosen)
    if blind:
        how = {"middle": "the middle frame", "spotted": "spotted by optical flow"}
        yield f"no usable apex is annotated for {blind} clips: {how[data.apex]}"
    macro = sum(c.clip.get("kind") == "macro" for c in chosen)
    if macro and data.macro_apex is not None:
        yield f"apex of {macro} macro clips: {data.macro_apex} frames after the onset"
    keys = np.array([c.clip["key"] for c in chosen])
    for face, what in (("skipped", "left out"), ("center_crop", "cropped centrally")):
        found = keys[faces == face].tolist()
        if found and data.align in ("template", "moext"):
            yield f"no face found in {len(found)} clips, {what}: {', '.join(found)}"
