"""All frames of a sample's clips, cut out once and kept in one file that is mapped."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from mer_jax.data.derive import of_one_size
from mer_jax.data.footing import Footing
from mer_jax.data.frames import Frames
from mer_jax.errors import UserError
from mer_jax.files import appearing, write_atomic
from mer_jax.preprocess.crops import Alignment, Footage, crop_clip, crops_recipe
from mer_jax.preprocess.landmarks import Landmarker
from mer_jax.preprocess.parallel import in_order, one_cv2_thread


def all_frames(footing: Footing, spec: jax.ShapeDtypeStruct) -> Frames:
    """Returns the frames from onset to offset, aligned as the features of their clip.

    The file has nothing but their bytes, so that a batch is read without decoding; what
    is known of it lies in a second one beside it. Both appear whole or not at all.

    Args:
      footing: the clips, where they are, and how faces are cut out.
      spec: uint8[S, S, 3], of one frame.

    Raises:
      UserError: for corpora without frames, or a full disk.
    """
    bare = sorted(one.name for one in footing.corpora if "frames" not in one.stored)
    if bare:
        raise UserError(
            f"{', '.join(bare)} stores no frames, and a stage of the system trains on "
            "all frames of its clips: choose another of data.corpora"
        )
    size = spec.shape[0]
    alignment = of_one_size(footing, size)
    footage = []
    for c in footing.chosen:
        whole = range(c.reading["onset_index"], c.reading["offset_index"] + 1)
        footage.append(footing.footage(c, whole))
    recipe = [crops_recipe(clip, alignment) for clip in footage], alignment.on_no_face
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
    name = footing.name.replace("/", "-")
    path = footing.cache / "film" / f"{name}-{digest[:16]}.pixels"
    found = _open(path, size)
    if found is None:
        _write(path, footing, footage, alignment)
        found = _open(path, size)
        assert found is not None
    return found


def _open(path: Path, size: int) -> Frames | None:
    """Returns what the files hold, None where they must be written."""
    try:
        told = json.loads(_about(path).read_text())
        shape = (sum(told["frames"]), size, size, 3)
        if path.stat().st_size != np.prod(shape):
            return None
        pixels = np.memmap(path, np.uint8, "r", shape=shape)
    except (OSError, ValueError):
        return None
    clips = np.arange(len(told["frames"]), dtype=np.int32)
    return Frames(np.repeat(clips, told["frames"]), (pixels,), told["sha256"])


def _about(path: Path) -> Path:
    return path.with_suffix(".json")


def _write(
    path: Path, footing: Footing, footage: Sequence[Footage], alignment: Alignment
) -> None:
    """Cuts the frames out, few clips in memory at once; skipped clips have none."""
    digest, counts = hashlib.sha256(), []
    size = sum(len(clip.wanted) for clip in footage) * alignment.size**2 * 3
    with (
        Landmarker(footing.data.landmarker) as landmarks,
        one_cv2_thread(),
        appearing(path, size) as file,
    ):
        crop = lambda clip: crop_clip(clip, alignment, landmarks)
        told = footing.told("cutting out all frames of")
        for crops in in_order(crop, footage, progress=told):
            pixels = b"" if crops is None else np.ascontiguousarray(crops.frames).data
            file.write(pixels)
            digest.update(pixels)
            counts.append(0 if crops is None else len(crops.frames))
    about = {"frames": counts, "sha256": digest.hexdigest()}
    write_atomic(_about(path), json.dumps(about).encode())
