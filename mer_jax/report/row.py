"""One experiment with everything a reader needs to judge its numbers."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mer_jax.metrics import (
    ALL,
    RULES,
    Cut,
    Learning,
    Published,
    Results,
    evaluate,
    learning,
)
from mer_jax.metrics.curves import Curve
from mer_jax.metrics.domains import DomainProbe
from mer_jax.metrics.probes import Probe

STAMP = "SYNTHETIC: scores say nothing about real corpora"
NOT_RESULTS = "What selecting on the test subject would print"
NO_RESULT = "This score is not a result."


SCOPES = {
    "disjoint": "nobody in it is in the sample",
    "others": "anew in every fold: it, but for the people held out",
    "per_fold": "anew in every fold: it and the sample, but for the people held out",
    "once_all": "LEAKY: it and the whole sample, the people held out included",
}


@dataclass(frozen=True, kw_only=True)
class PoolInfo:
    """Clips that some stage trains on beside the sample, and never scores.

    Attributes:
      name: as the stages call it.
      scope: who of it may train: one of `SCOPES`.
      corpora: where its clips are from.
      clips, people: how many are in it, the sample not counted.
      once: stages on it that are trained once for all folds.
      per_fold: those that every run trains for itself.
    """

    name: str
    scope: str
    corpora: Sequence[str]
    clips: int
    people: int
    once: Sequence[str] = ()
    per_fold: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class ProtocolInfo:
    """What was to be scored; equal hashes make two results comparable.

    Attributes:
      name, hash: of the protocol.
      num_clips, num_subjects: when complete.
      class_counts: class name to clips, in the order of the labels.
      rules: what was left out, mended or guessed, and why; one line each.
      leak: why the division lets a person train and test, '' if it does not.
      reduced: how the clips fall short of the published sample, '' if they do not.
      pools: what some stage trains on beside the sample.
    """

    name: str
    hash: str
    num_clips: int
    num_subjects: int
    class_counts: Mapping[str, int]
    rules: Sequence[str] = ()
    leak: str = ""
    reduced: str = ""
    pools: Sequence[PoolInfo] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleClips:
    """What the stages of a system make of a few clips.

    Attributes:
      seed: of the runs that drew them; each clip was held out in its run.
      pictures: clip key -> "<stage>/<name>" -> uint8[H, W], [H, W, 3], or [H, W, 2], a
        grey image and the map to be laid over it.
      filmed: whether a clip may show a real person.
    """

    seed: int
    pictures: Mapping[str, Mapping[str, np.ndarray]]
    filmed: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedded:
    """Features of some clips of one domain.

    Attributes:
      labels: int[n], positions in the classes, -1 where there are none.
      held_out: bool[n].
      before, after: float[n, D], with the nets at either end of the last stage.
    """

    labels: np.ndarray
    held_out: np.ndarray
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Embedding:
    """Features of two domains or more, as one run computed them.

    Attributes:
      fold, seed: of the run.
      domains: by name, the sample first.
    """

    fold: str
    seed: int
    domains: Mapping[str, Embedded]


@dataclass(frozen=True, kw_only=True)
class InnerInfo:
    """The inner runs of the folds and seeds that are scored.

    Attributes:
      runs: how many there should be.
      missing: how many have not finished; where there are any, nothing was chosen.
      left_out: fold -> the people left out of training, who choose the epoch.
    """

    runs: int
    missing: int
    left_out: Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a row takes; None is what its runs did not record.

    Attributes:
      predicting: parameters that predictions are computed from.
      trained: those that the last stage trains, of nets that only help it, too.
      held: all of the last stage.
      flops: of training one fold with one seed, mean over these: twice the
        multiply-adds of matrix products and convolutions.
      flops_once: of the stages that are trained once for all folds, mean over seeds.
      seconds, seconds_once: likewise, as they passed.
    """

    predicting: int | None = None
    trained: int | None = None
    held: int | None = None
    flops: float | None = None
    flops_once: float | None = None
    seconds: float | None = None
    seconds_once: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One line of a results table.

    Attributes:
      name: of the experiment, unique in a report.
      results: its held-out logits.
      synthetic: True stamps every place a score is printed.
      protocol: what was to be scored.
      selection: how the epoch was chosen.
      caveat: what the system says of itself, '' if nothing.
      settings: configuration or overrides; nested mappings are flattened by dots.
      provenance: versions, devices, lanes, host, commit, wall seconds per run, ...
      published: numbers of others; those of corpora not scored here are ignored.
      sample_clips: pictures of some, or None.
      probes: group of people -> "before" and "after" training -> one of each run.
      domains: further input -> likewise.
      embedding: features of the sample's clips and of others, or None.
      curves: stage -> metric of training -> over the runs.
      cost: parameters, operations and time.
      inner: the runs of inner validation; None where there were to be none.
    """

    name: str
    results: Results
    synthetic: bool
    protocol: ProtocolInfo
    selection: str = RULES[0].text
    caveat: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    provenance: Mapping[str, object] = field(default_factory=dict)
    published: Sequence[Published] = ()
    sample_clips: SampleClips | None = None
    probes: Mapping[str, Mapping[str, Sequence[Probe]]] = field(default_factory=dict)
    domains: Mapping[str, Mapping[str, Sequence[DomainProbe]]] = field(
        default_factory=dict
    )
    embedding: Embedding | None = None
    curves: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    cost: Cost = Cost()
    inner: InnerInfo | None = None

    def __post_init__(self):
        results, protocol = self.results, self.protocol
        if tuple(protocol.class_counts) != results.classes:
            raise ValueError(
                f"{self.name}: the protocol has classes {tuple(protocol.class_counts)}"
                f", the results {results.classes}"
            )
        if protocol.num_clips != results.expected_clips:
            raise ValueError(
                f"{self.name}: the protocol has {protocol.num_clips} clips, "
                f"the results expect {results.expected_clips}"
            )
        scored = np.bincount(results.labels, minlength=len(results.classes))
        counts = np.array(list(protocol.class_counts.values()))
        if (scored > counts).any() or (results.complete and (scored != counts).any()):
            raise ValueError(
                f"{self.name}: the protocol has {counts.tolist()} clips per class, "
                f"the results {scored.tolist()}"
            )
        shown = self.sample_clips.pictures if self.sample_clips else {}
        if strange := set(shown) - set(results.keys):
            raise ValueError(f"{self.name}: clips {sorted(strange)} are not scored")

    @functools.cached_property
    def cuts(self) -> Mapping[str, Cut]:
        """The numbers of all clips and of each corpus."""
        return evaluate(self.results)

    @functools.cached_property
    def learning(self) -> Learning:
        """UF1 of all clips at every stored epoch."""
        return learning(self.results)

    def published_of(self, subset: str) -> list[Published]:
        """Returns the numbers of others on one subset.

        Where there is one corpus, its numbers are those of the whole.
        """
        names = {subset}
        if subset == ALL and len(self.cuts) == 1:
            names.add(self.results.corpora[0])
        return [p for p in self.published if p.subset in names]

    @property
    def stamp(self) -> str:
        """`STAMP` if the row is synthetic, else nothing."""
        return STAMP if self.synthetic else ""

    @property
    def marks(self) -> list[str]:
        """What stands beside the row's name wherever it is scored."""
        return [mark for mark in (self.stamp, self.warning) if mark]

    @property
    def warning(self) -> str:
        """Why the scores are no result although the rule is honest, or nothing."""
        reasons = (self._incomplete, self.protocol.leak)
        return "; ".join(reason for reason in reasons if reason)

    @property
    def _incomplete(self) -> str:
        results = self.results
        if results.complete:
            return ""
        folds, seeds = len(set(results.folds)), len(results.seeds)
        clips = f"{len(results.keys)} of {results.expected_clips} clips"
        told = f"{folds} of {results.expected_folds} folds, {clips}"
        if results.expected_folds is None:
            told = f"{clips}, {folds} folds scored"
        if results.expected_seeds not in (None, seeds):
            told = f"{seeds} of {results.expected_seeds} seeds, {told}"
        return f"INCOMPLETE: {told}"


def check_names(rows: Sequence[Row]) -> None:
    """Raises ValueError unless there is a row and the names tell them apart."""
    names = [row.name for row in rows]
    if not names:
        raise ValueError("a report needs a row")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two rows are called {name!r}")
