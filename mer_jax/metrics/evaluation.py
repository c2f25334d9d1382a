"""Everything that is computed from one experiment's results."""

from dataclasses import dataclass

import numpy as np

from mer_jax.metrics.bootstrap import Intervals
from mer_jax.metrics.ladder import INNER, Rung, ladder
from mer_jax.metrics.results import Results
from mer_jax.metrics.scores import Scores, confusion


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The numbers of one subset of the clips, cut from the pooled predictions.

    Attributes:
      name: 'all' or a corpus.
      clips, subjects, folds: how many were scored.
      class_counts: [K] true clips of each class.
      confusion: int [S, K, K] at the last epoch, one per seed, rows are true classes.
      ladder: one rung per rule, the last epoch first; see `ladder.ladder`.
    """

    name: str
    clips: int
    subjects: int
    folds: int
    class_counts: tuple[int, ...]
    confusion: np.ndarray
    ladder: tuple[Rung, ...]

    @property
    def scores(self) -> Scores:
        """Scores at the last epoch, mean over seeds: the result."""
        return self.ladder[0].scores

    @property
    def per_seed(self) -> tuple[Scores, ...]:
        """[S] scores at the last epoch."""
        return self.ladder[0].per_seed

    @property
    def intervals(self) -> Intervals:
        """Intervals of `scores` over subjects."""
        intervals = self.ladder[0].intervals
        assert intervals is not None
        return intervals

    @property
    def inner(self) -> Rung | None:
        """The rung of inner validation, if there was any: a result, too."""
        return next((rung for rung in self.ladder if rung.name == INNER.name), None)

    @property
    def selected(self) -> tuple[Rung, ...]:
        """The rungs that look at test scores: never a result."""
        return tuple(rung for rung in self.ladder if rung.intervals is None)

    @property
    def random(self) -> Scores:
        """What the random classifier scores under the rule of the result."""
        return self.ladder[0].random


def evaluate(
    results: Results, *, repeats: int = 50, resamples: int = 10_000, seed: int = 0
) -> dict[str, Cut]:
    """Scores an experiment, as a whole and per corpus.

    Args:
      results: of an experiment.
      repeats: experiments of the random classifier, see `ladder`.
      resamples: of the bootstrap over subjects.
      seed: of both.

    Returns:
      Subset name to its numbers; 'all' first.
    """
    rungs = ladder(results, repeats=repeats, resamples=resamples, seed=seed)
    return {
        name: _cut(results, name, where, rungs[name])
        for name, where in results.subsets.items()
    }


def _cut(
    results: Results, name: str, where: np.ndarray, rungs: tuple[Rung, ...]
) -> Cut:
    k = len(results.classes)
    labels, last = results.labels[where], results.predictions[:, -1, where]
    return Cut(
        name=name,
        clips=int(where.sum()),
        subjects=len(set(np.array(results.subjects)[where])),
        folds=len(set(np.array(results.folds)[where])),
        class_counts=tuple(np.bincount(labels, minlength=k).tolist()),
        confusion=confusion(labels, last, k),
        ladder=rungs,
    )
