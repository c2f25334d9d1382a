"""Made-up results, and the one list of clips that is public."""

import csv
import functools
from pathlib import Path

import numpy as np

from mer_jax.metrics import Results

PUBLISHED = (
    Path(__file__).parents[2] / "datasets_tfds" / "protocols" / "megc2019_cde.csv"
)


def make(
    *,
    subjects=6,
    clips=4,
    classes=3,
    seeds=2,
    epochs=3,
    skill=1.0,
    seed=0,
    corpora="ab",
):
    """Results of noisy logits; `subjects` are dealt to the corpora."""
    rng = np.random.default_rng(seed)
    people = [f"{corpora[i % len(corpora)]}/s{i:02d}" for i in range(subjects)]
    owner = np.repeat(people, clips)
    return build(
        owner,
        rng.integers(classes, size=len(owner)),
        classes,
        rng,
        **{"seeds": seeds, "epochs": epochs, "skill": skill},
    )


def composite(*, seeds=1, epochs=1, skill=0.0, seed=0):
    """Results of noisy logits on the MEGC2019 list: 442 clips, 68 folds."""
    owner, labels = _composite_list()
    rng = np.random.default_rng(seed)
    return build(owner, labels, 3, rng, seeds=seeds, epochs=epochs, skill=skill)


def build(owner, labels, classes, rng, *, seeds, epochs, skill):
    n = len(owner)
    logits = rng.normal(size=(seeds, epochs, n, classes))
    logits[..., np.arange(n), labels] += skill
    return Results(
        keys=[f"{subject}/c{i:03d}" for i, subject in enumerate(owner)],
        corpora=[subject.split("/")[0] for subject in owner],
        subjects=owner,
        labels=labels,
        folds=owner,
        classes=[f"class{c}" for c in range(classes)],
        seeds=range(seeds),
        epochs=10 * np.arange(1, epochs + 1),
        logits=logits,
        priors=priors(owner, labels, classes),
        expected_clips=n,
        expected_folds=len(set(owner)),
    )


def priors(owner, labels, classes):
    owner, rows = np.asarray(owner), np.empty((len(owner), classes))
    for subject in set(owner):
        training = np.bincount(labels[owner != subject], minlength=classes)
        rows[owner == subject] = training / training.sum()
    return rows


def permuted(results, order):
    """The same results with their clips in another order."""
    tuples = ("keys", "corpora", "subjects", "folds")
    arrays = ("labels", "priors")
    fields = vars(results) | {
        n: [getattr(results, n)[i] for i in order] for n in tuples
    }
    fields |= {name: getattr(results, name)[order] for name in arrays}
    fields["logits"] = results.logits[:, :, order]
    return Results(**{name: fields[name] for name in Results.__dataclass_fields__})


@functools.cache
def _composite_list():
    with PUBLISHED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    owner = np.array([f"{row['corpus']}/{row['subject']}" for row in rows])
    return owner, np.array([int(row["label"]) for row in rows])
