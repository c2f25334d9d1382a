"""Made-up rows of a report."""

import dataclasses
import functools

import numpy as np

from mer_jax.metrics import Published, Results, SeedDifferences
from mer_jax.metrics.curves import over_runs
from mer_jax.metrics.domains import DomainProbe
from mer_jax.metrics.probes import Probe
from mer_jax.report import (
    Cost,
    Embedded,
    Embedding,
    InnerInfo,
    PoolInfo,
    ProtocolInfo,
    Row,
    SampleClips,
)

CLASSES = ("negative", "positive", "surprise")


def results(
    *,
    seeds=3,
    epochs=4,
    subjects=8,
    missing=0,
    corpora=("casme2", "samm"),
    skill=1,
    noise=0,
):
    """Results of noisy logits; the clips of the last `missing` subjects are not in."""
    rng = np.random.default_rng(noise)
    people = [f"{corpora[i % len(corpora)]}/{i:03d}" for i in range(subjects)]
    owner = np.repeat(people[: subjects - missing], 5)
    labels = np.tile([0, 1, 2, 0, 1], subjects - missing)
    logits = rng.normal(size=(seeds, epochs, len(labels), 3))
    logits[..., np.arange(len(labels)), labels] += skill
    return Results(
        keys=[f"{subject}/clip{i:02d}" for i, subject in enumerate(owner)],
        corpora=[subject.split("/")[0] for subject in owner],
        subjects=owner,
        labels=labels,
        folds=owner,
        classes=CLASSES,
        seeds=range(seeds),
        epochs=5 * np.arange(1, epochs + 1),
        logits=logits,
        priors=np.tile([0.4, 0.4, 0.2], (len(labels), 1)),
        expected_clips=5 * subjects,
        expected_folds=subjects,
    )


@functools.cache  # rows are immutable and remember their numbers
def row(name="ststnet_cde3", *, synthetic=False, hash="1f3a9c2b", **sizes):
    """One row; `sizes` go to `results`."""
    subjects = sizes.get("subjects", 8)
    return Row(
        name=name,
        results=results(**sizes),
        synthetic=synthetic,
        protocol=ProtocolInfo(
            name="cde3",
            hash=hash,
            num_clips=5 * subjects,
            num_subjects=subjects,
            class_counts=dict(
                zip(CLASSES, (2 * subjects, 2 * subjects, subjects), strict=True)
            ),
            rules=("casme2/sub04/EP12_01f: no apex annotated",),
        ),
        settings={"system": {"learning_rate": 5e-5}},
        provenance={"commit": "d3d2425", "versions": {"jax": "0.10.2"}},
        published=(
            Published(
                source="Liong 2019", selection="last epoch", uf1=0.735, uar=0.761
            ),
            Published(source="Liong on SAMM", subset="samm", uf1=0.659),
            Published(source="of elsewhere", subset="smic", uf1=0.68),
        ),
    )


def seed_gaps(*gaps):
    """Differences of so many seeds, each paired with itself."""
    pairs = tuple((seed, seed) for seed in range(len(gaps)))
    return SeedDifferences(pairs=pairs, uf1=gaps, uar=gaps, accuracy=gaps)


def with_pools(one, *pools):
    """A row that trains on pools, in order."""
    return dataclasses.replace(
        one, protocol=dataclasses.replace(one.protocol, pools=pools)
    )


POOL = PoolInfo(
    name="pretraining",
    scope="disjoint",
    corpora=("ckplus", "mmi/macro"),
    clips=530,
    people=120,
    once=("pretrain",),
)


def with_clips(one, *, number=2, seed=2, filmed=True):
    """A row with a map and an image of its first clips."""
    pictures = {
        key: {
            "pretrain/some_map": np.full((6, 9), 6 * i, np.uint8),
            "tune/image": np.full((6, 9, 3), 6 * i, np.uint8),
        }
        for i, key in enumerate(one.results.keys[:number])
    }
    shown = SampleClips(seed=seed, pictures=pictures, filmed=filmed)
    return dataclasses.replace(one, sample_clips=shown)


def with_overlays(one):
    """The same, and a map over a grey image of each clip."""
    plain = with_clips(one).sample_clips
    over = np.stack([np.full((6, 9), 40), np.arange(54).reshape(6, 9)], -1)
    overlay = {"tune/Grad-CAM apex": over.astype(np.uint8)}
    pictures = {key: {**own, **overlay} for key, own in plain.pictures.items()}
    return dataclasses.replace(
        one, sample_clips=dataclasses.replace(plain, pictures=pictures)
    )


def with_cost(one, *, once=True):
    """A row whose runs recorded what they took, some of it once for all folds."""
    cost = Cost(
        predicting=1_234_567,
        trained=23_456_789,
        held=30_000_000,
        flops=3.456e12,
        flops_once=45e12 if once else 0.0,
        seconds=12.345,
        seconds_once=678.9 if once else 0.0,
    )
    return dataclasses.replace(one, cost=cost)


def with_probes(one):
    """A row of which two runs were probed, one of them with people held out."""
    seen = [Probe(1.5, 0.9, 0.2, 7, 35), Probe(1.0, 0.6, 0.1, 8, 40)]
    later = [Probe(0.5, 0.4, 0.2, 7, 35), Probe(0.0, 0.2, 0.1, 8, 40)]
    unseen, last = Probe(0.4, 0.9, 0.5, 2, 10), Probe(0.3, 0.8, 0.5, 2, 10)
    probes = {
        "seen": {"before": seen, "after": later},
        "unseen": {"before": [unseen], "after": [last]},
    }
    return dataclasses.replace(one, probes=probes)


def with_domains(one):
    """A row of which two runs were asked to tell clips of "macro" from the sample's."""
    before = [DomainProbe(5, 5, 38, 40), DomainProbe(3, 5, 40, 40)]
    after = [DomainProbe(4, 5, 16, 40), DomainProbe(2, 5, 24, 40)]
    return dataclasses.replace(
        one, domains={"macro": {"before": before, "after": after}}
    )


def with_inner(one, *, missing=0):
    """A row whose inner runs chose an epoch for every seed and fold, or are missing."""
    folds = sorted(set(one.results.folds))
    shape = len(one.results.seeds), len(folds)
    chosen = np.random.default_rng(3).choice(one.results.epochs, shape)
    results = dataclasses.replace(one.results, inner_epochs=None if missing else chosen)
    left_out = {
        fold: ["x/1", "x/2", "x/3"][: 1 + i % 2] for i, fold in enumerate(folds)
    }
    runs = shape[0] * shape[1]
    inner = InnerInfo(runs=runs, missing=missing, left_out=left_out)
    return dataclasses.replace(one, results=results, inner=inner)


def with_embedding(one, *, clips=(40, 60), width=8):
    """A row with features of two domains, which are further apart before than after."""
    rng = np.random.default_rng(0)
    domains = {}
    for number, (name, n) in enumerate(
        zip(("the sample", "macro"), clips, strict=True)
    ):
        labels = np.arange(n) % 3
        classes = 3 * np.eye(width)[labels + 3 * (width > 5)]
        noise = rng.normal(size=(n, width))
        domains[name] = Embedded(
            labels=labels,
            held_out=np.arange(n) < (5 if number == 0 else 0),
            before=noise + classes + 6 * number,
            after=noise + classes + number,
        )
    embedding = Embedding(fold="casme2/000", seed=2, domains=domains)
    return dataclasses.replace(one, embedding=embedding)


def with_curves(one, *, stages=3, epochs=9, runs=4):
    """A row whose stages have accuracies, the last one those of discriminators."""
    rng = np.random.default_rng(0)
    names = ["pretrain", "learn", "align", "tune"]
    metrics = dict.fromkeys(names, ["net/accuracy", "net/loss"])
    metrics["align"] = ["net/L_s_accuracy", "net/L_t_accuracy", *metrics["align"]]

    def curve(start):
        rise = start + (1 - start) * np.linspace(0, 0.7, epochs)
        return over_runs(rise + rng.normal(0, 0.04, (runs, epochs)))

    curves = {
        stage: {name: curve(0.3 + 0.1 * i) for i, name in enumerate(metrics[stage])}
        for stage in names[:stages]
    }
    return dataclasses.replace(one, curves=curves)
