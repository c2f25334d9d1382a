"""The clips of an experiment: found, chosen by a protocol, made into features."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from mer_jax.data.builders import builder_class, full_name
from mer_jax.data.corpus import Corpus
from mer_jax.data.features import feature_arrays
from mer_jax.data.film import all_frames
from mer_jax.data.footing import Footing
from mer_jax.data.prepared import Prepared, Progress, find, prepare
from mer_jax.data.protocols import Protocol
from mer_jax.data.selection import Repairs, check_configs, select, select_all
from mer_jax.errors import UserError
from mer_jax.preprocess.flow import Method

Features = Mapping[str, jax.ShapeDtypeStruct]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Which clips an experiment uses, and how images become features.

    Attributes:
      corpora: "name" or "name/config" of builders in `datasets_tfds`. The default
        needs no licence and is synthetic.
      release: folder of the corpus on disk; of several corpora, a folder with one
        folder for each, named as it. By default what `mer data prepare` prepared.
      repairs: published annotation errors are mended, kept, or their clips dropped.
      apex: of clips without an annotated one: the middle frame, or the frame that
        moved most since the onset.
      macro_apex: of macro clips, frames after the onset that are taken for an apex (4
        in MoExt), whatever is annotated; none for what is.
      align: "template" or "moext" cut the face out of the frames, upright and of one
        size, by landmarks of the onset frame; "center_crop" takes their middle,
        "none" frames as they are.
      crop: px, width and height of the face cut out.
      stabilise: takes residual head motion out of the crops.
      on_no_face: what becomes of a clip whose face is not found.
      landmarker: path of the MediaPipe model, by default $MER_FACE_LANDMARKER.
      flow: optical-flow method.
      flow_limit: displacement drawn as full scale, in pixels of the frame or crop;
        3 suits faces of 128 pixels.
    """

    corpora: tuple[str, ...] = ("synthetic/demo",)
    release: str | None = None
    repairs: Repairs = "repair"
    apex: Literal["middle", "spotted"] = "middle"
    macro_apex: int | None = None
    align: Literal["none", "center_crop", "template", "moext"] = "none"
    crop: int = 128
    stabilise: bool = False
    on_no_face: Literal["error", "skip", "center_crop"] = "error"
    landmarker: str | None = None
    flow: Method = "dis"
    flow_limit: float = 3.0


UNLABELLED = ("unlabelled",)  # the classes of clips without a protocol
SMOKE = Data(corpora=("synthetic/tiny",))  # a few small clips, for a trial run
SMOKE_POOL = Data(corpora=("synthetic/tiny_others",))  # of other people
SMOKE_PROTOCOL = Protocol(name="demo3")
SMOKE_POOL_PROTOCOL = Protocol(name="demo_macro3")


def load(
    data: Data,
    protocol: Protocol | None,
    features: Features,
    *,
    frames: jax.ShapeDtypeStruct | None = None,
    cache: Path,
    progress: Progress | None = None,
) -> Corpus:
    """Returns the protocol's clips of `data.corpora` with exactly `features`.

    Args:
      data: what to load.
      protocol: which clips count, as what; None takes all, unlabelled.
      features: name -> shape and dtype of one clip, from `System.features`.
      frames: shape and dtype of one frame, if all frames of the clips are asked for.
      cache: prepared corpora and derived arrays are kept here.
      progress: told what is being done.

    Raises:
      UserError: for an unknown corpus, one that is not prepared, a sample that is
        not the published one, or a feature that a corpus cannot give.
      ReleaseError: from a builder, for a release it cannot package.
    """
    progress = progress or (lambda what, done, total: None)
    if protocol is not None:
        check_configs([full_name(name) for name in data.corpora], protocol)
    opened = [_open(name, data, cache, progress) for name in data.corpora]
    clips = [clip for one in opened for clip in one.clips]
    owner = {clip["key"]: one for one in opened for clip in one.clips}
    if len(owner) < len(clips):
        twice = Counter(clip["key"] for clip in clips).most_common(1)[0][0]
        raise UserError(f"data.corpora: {twice} is in two of {', '.join(data.corpora)}")
    if protocol is None:
        sample = select_all(clips, data.repairs)
    else:
        sample = select(clips, protocol, data.repairs)
    footing = Footing(sample.chosen, owner, data, cache, progress)
    arrays = feature_arrays(footing, features)
    chosen = [c for c, keep in zip(sample.chosen, arrays.kept, strict=True) if keep]
    kept = dataclasses.replace(footing, chosen=chosen)
    film = None if frames is None else all_frames(kept, frames)
    return Corpus(
        name="+".join(data.corpora),
        keys=tuple(c.clip["key"] for c in chosen),
        labels=np.array([c.label for c in chosen], np.int32),
        classes=protocol.definition().classes if protocol else UNLABELLED,
        features=arrays.features,
        synthetic=np.array([c.clip["synthetic"] for c in chosen], bool),
        rules=(*sample.rules, *arrays.rules),
        reduced=sample.reduced,
        frames=film,
    )


def _open(name: str, data: Data, cache: Path, progress: Progress) -> Prepared:
    if not builder_class(name).MANUAL_DOWNLOAD_INSTRUCTIONS:
        return prepare(name, None, cache=cache, progress=progress)
    if data.release is None:
        return find(name, cache=cache, progress=progress)
    release = Path(data.release).expanduser()
    if len(data.corpora) > 1:
        release = release / name.partition("/")[0]
        if not release.is_dir():
            raise UserError(
                f"data.release: no folder {release}. For several corpora give a "
                "folder that holds one folder for each, named as the corpus"
            )
    return prepare(name, str(release), cache=cache, progress=progress)
