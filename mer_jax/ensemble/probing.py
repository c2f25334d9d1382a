"""What do features give away? Probes of them, run by run: of identity, and of domains.

Whose clip is it? The sample's features are probed apart for people the run trained on
("seen") and people it did not ("unseen"); clips of a person alternate, by key, between
the two halves of a probe. Which domain is it from? Features of a further input's clips
are told from the sample's by a discriminator that is judged on people it never saw: of
the sample the people held out, of the input every other person.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from mer_jax.data.corpus import Corpus
from mer_jax.data.folds import Fold
from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.features import Features, clips_of
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.rows import Row
from mer_jax.metrics.domains import domain_probe
from mer_jax.metrics.probes import probe


def probes(
    row: Row, wave: Wave, features: Mapping[str, Features]
) -> list[dict[str, np.ndarray]]:
    """Probes the features that each run of a wave computes.

    Args:
      row: of the runs.
      wave: whose runs have landed.
      features: of the wave, see `features.features`.

    Returns:
      [L], for the run's ledger entry: "probe/<seen|unseen>/<before|after>/<field of
      `Probe`>" and "domain/<input>/<before|after>/<field of `DomainProbe`>", scalars.
      Nothing of a group with fewer than two people of two clips each, of an input with
      fewer than two people, for padding, without features, or if they are not finite.
    """
    real = wave.runs[: wave.real] if features else ()
    found = [_of_run(row, run, lane, features) for lane, run in enumerate(real)]
    return found + [{} for _ in wave.runs[len(found) :]]


def _of_run(
    row: Row, run: Run, lane: int, features: Mapping[str, Features]
) -> dict[str, np.ndarray]:
    clips = {name: clips_of(row, run.fold, name) for name in features}
    values = {name: one.of(lane, clips[name]) for name, one in features.items()}
    own = values.pop("")
    if not _finite(own):
        return {}
    found = _identity(own, row.corpus, run.fold)
    for name, other in values.items():
        train = alternate([row.clips.subjects[i] for i in clips[name]])
        parts = len(run.fold.train), len(run.fold.test), train.sum(), (~train).sum()
        if all(parts) and _finite(other):
            found |= _domain(name, own, other, train, run.fold)
    return found


def _finite(values: Mapping[str, np.ndarray]) -> bool:
    return all(np.isfinite(array).all() for array in values.values())


def _identity(
    features: Mapping[str, np.ndarray], sample: Corpus, fold: Fold
) -> dict[str, np.ndarray]:
    """Returns the probes of one run; features float[N, D] by when they were taken."""
    person, found = sample.subject_numbers, {}
    for group, clips in groups(sample.subjects, fold).items():
        for when, values in features.items():
            of = probe(values[clips], person[clips], halves(person[clips]))
            for name, value in of._asdict().items():
                found[f"probe/{group}/{when}/{name}"] = np.array(value)
    return found


def _domain(
    name: str,
    own: Mapping[str, np.ndarray],
    other: Mapping[str, np.ndarray],
    train: np.ndarray,
    fold: Fold,
) -> dict[str, np.ndarray]:
    """Returns how well one run's features tell an input's clips from the sample's.

    Args:
      name: of the input.
      own: float[N, D] by when they were taken, of the sample.
      other: float[n, D] likewise, of the input.
      train: bool[n], which of its clips train the discriminator.
      fold: which of the sample's do.
    """
    found = {}
    for when in own:
        of = domain_probe(
            (own[when][fold.train], other[when][train]),
            (own[when][fold.test], other[when][~train]),
        )
        for field, value in of._asdict().items():
            found[f"domain/{name}/{when}/{field}"] = np.array(value)
    return found


def groups(subjects: Sequence[str], fold: Fold) -> dict[str, np.ndarray]:
    """Returns int[n] positions of the clips to probe in each group, if there are any.

    Args:
      subjects: [N] "corpus/subject" of the sample.
      fold: who trains in it is "seen"; who is held out altogether, "unseen".
    """
    trained = {subjects[i] for i in fold.train}
    often = {who for who, clips in Counter(subjects).items() if clips > 1}
    members = {"seen": often & trained, "unseen": often - trained}
    return {
        group: np.flatnonzero([who in people for who in subjects])
        for group, people in members.items()
        if len(people) > 1
    }


def halves(person: np.ndarray) -> np.ndarray:
    """Returns bool[N], every other clip of each person, the first among them."""
    ranks = np.zeros(len(person), int)
    for who in np.unique(person):
        own = np.flatnonzero(person == who)
        ranks[own] = np.arange(len(own))
    return ranks % 2 == 0


def alternate(subjects: Sequence[str]) -> np.ndarray:
    """Returns bool[n], the clips of every other person by name, the first of them."""
    return np.unique(subjects, return_inverse=True)[1] % 2 == 0
