"""Clips that train beside the sample and are never scored, e.g. for pre-training."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from mer_jax.data.corpora import Data
from mer_jax.data.corpus import Corpus
from mer_jax.data.folds import Fold, others_clips
from mer_jax.data.frames import Frames, joined
from mer_jax.data.protocols import Protocol
from mer_jax.errors import UserError
from mer_jax.typing import Of

Scope = Literal["disjoint", "others", "per_fold", "once_all"]

SHARED = "shared"  # the fold of a stage that is trained once for all folds

_LEAKS = {"once_all": "LEAKY: stages before the last saw the people that are held out"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """A second source of training clips.

    Attributes:
      name: as the system's stages call it, e.g. "pretraining".
      data: which clips, and how they become features.
      protocol: labels them, and leaves out those without a class; None takes all
        clips, unlabelled (label -1).
      scope: who is in it. "disjoint": none of the sample's people (an error
        otherwise); such stages train once for all folds. "others": the pool but for
        the person held out, anew in every fold. "per_fold": the same, and the sample
        but for that person. "once_all": all of both, once: the held-out person too,
        and labelled leaky.
    """

    name: str
    data: Data
    protocol: Protocol | None = None
    scope: Scope = "disjoint"

    @property
    def shared(self) -> bool:
        """Whether stages that train on it are the same in every fold."""
        return self.scope in ("disjoint", "once_all")

    @property
    def with_sample(self) -> bool:
        """Whether stages that train on it train on clips of the sample, too."""
        return self.scope in ("per_fold", "once_all")

    @property
    def leak(self) -> str:
        """Why scores are no result, or nothing."""
        return _LEAKS.get(self.scope, "")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resident:
    """All clips of an experiment: the sample's N, then the pools'.

    Attributes: as of `Corpus`; `labels` are -1 where a pool has none,
    `subject_numbers` in all pools.
    """

    keys: tuple[str, ...]
    labels: np.ndarray
    subject_numbers: np.ndarray
    classes: tuple[str, ...]
    features: Mapping[str, np.ndarray]
    frames: Frames | None = None

    @property
    def subjects(self) -> tuple[str, ...]:
        """As of `Corpus`: "corpus/subject" of each clip."""
        return tuple(key.rsplit("/", 1)[0] for key in self.keys)


def resident(sample: Corpus, pools: Sequence[tuple[Pool, Corpus]]) -> Resident | Corpus:
    """Returns the sample itself where there is no pool, else both together.

    Raises:
      UserError: if a labelled pool has other classes than the sample.
    """
    if not pools:
        return sample
    for pool, corpus in pools:
        if pool.protocol is not None and corpus.classes != sample.classes:
            raise UserError(
                f"pool {pool.name!r} has classes {corpus.classes}, the sample "
                f"{sample.classes}: choose a protocol of the same classes"
            )
    everything = [sample, *(corpus for _, corpus in pools)]
    labels = [c.labels if p.protocol else np.full(len(c.keys), -1) for p, c in pools]
    strangers = [np.full(len(c.keys), -1, np.int32) for _, c in pools]
    return Resident(
        keys=tuple(key for corpus in everything for key in corpus.keys),
        labels=np.concatenate([sample.labels, *labels]).astype(np.int32),
        subject_numbers=np.concatenate([sample.subject_numbers, *strangers]),
        classes=sample.classes,
        features={
            name: np.concatenate([corpus.features[name] for corpus in everything])
            for name in sample.features
        },
        frames=joined(
            [c.frames for c in everything], [len(c.keys) for c in everything]
        ),
    )


def resident_arrays(clips: Resident | Corpus) -> dict[str, np.ndarray]:
    """Returns what lies on the devices, name -> [N, ...].

    That is the features, "label" int32[N] and "subject" int32[N], the number of the
    person, -1 for people of pools.
    """
    own = {"label": clips.labels, "subject": clips.subject_numbers}
    return {**clips.features, **own}


def frame_arrays(clips: Resident | Corpus) -> dict[str, np.ndarray]:
    """Returns "label" and "subject" int32[F] of every frame; see `resident_arrays`."""
    assert clips.frames is not None
    owner = clips.frames.owner
    return {"label": clips.labels[owner], "subject": clips.subject_numbers[owner]}


def positions(clips: Resident | Corpus, fold: Fold, pool: str, of: Of) -> np.ndarray:
    """Returns int[n] positions of the clips, or frames, of a pool that train in a fold.

    Args:
      clips: all of the experiment.
      fold: it knows the clips.
      pool: its name, '' for the sample.
      of: which of the two.
    """
    if of == "clips":
        return fold.clips(pool)
    assert clips.frames is not None
    return clips.frames.of(fold.clips(pool))


def with_pools(
    folds: Sequence[Fold], sample: Corpus, pools: Sequence[tuple[Pool, Corpus]]
) -> tuple[Fold, ...]:
    """Returns the folds with the clips of every pool that may train in each.

    Raises:
      UserError: if a disjoint pool shows people of the sample.
    """
    starts = np.cumsum([len(sample.keys), *(len(c.keys) for _, c in pools)])
    for pool, corpus in pools:
        both = sorted(set(corpus.subjects) & set(sample.subjects))
        if pool.scope == "disjoint" and both:
            raise UserError(
                f"pool {pool.name!r} is to be disjoint from the sample, but "
                f"{', '.join(both[:5])} are in both. Choose other corpora for it, or "
                "scope per_fold (or once_all, which leaks)"
            )

    def clips(fold: Fold) -> dict[str, np.ndarray]:
        found = {}
        for start, (pool, corpus) in zip(starts, pools, strict=False):
            own = start + np.arange(len(corpus.keys))
            if pool.scope in ("others", "per_fold"):
                own = start + others_clips(corpus, sample, fold)
            if pool.scope == "per_fold":
                own = np.concatenate([fold.train, own])
            elif pool.scope == "once_all":
                own = np.concatenate([np.arange(len(sample.keys)), own])
            found[pool.name] = own
        return found

    return tuple(dataclasses.replace(fold, pools=clips(fold)) for fold in folds)


def shared_fold(folds: Sequence[Fold], pools: Sequence[Pool]) -> Fold:
    """Returns the fold of stages that are the same in all folds; it tests nothing."""
    nobody = np.zeros(0, np.int64)
    own = {pool.name: folds[0].pools[pool.name] for pool in pools if pool.shared}
    return Fold(SHARED, nobody, nobody, own)
