"""The selection ladder: the same runs scored under several ways to choose the epoch.

The last epoch, fixed beforehand, is a result; so is the epoch that inner validation
chooses by people left out of training. The others choose it by the scores of the
held-out subject, as much public code does; they are here to be compared with numbers
that were made that way. Beside each rung stands a classifier that knows nothing: it
draws every clip's class from the training priors, anew at every stored epoch, and is
selected by the same rule with the same number of looks; one under inner validation, as
what it draws there says nothing of the subject. (Honestly scored it lands just below
1/K: the priors of a fold lack the held-out subject, so they lean away from its labels.)
Its draws are independent from epoch to epoch and those of a trained network are not, so
it bounds from above what looking alone can buy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer_jax.metrics._random import generator
from mer_jax.metrics.bootstrap import (
    Intervals,
    confusion_by_subject,
    subject_intervals,
)
from mer_jax.metrics.results import Results
from mer_jax.metrics.scores import Scores, confusion, mean_scores, uf1

_CELLS = 2**20  # random predictions held at once, about 20 MB with the temporaries
_CHEAP = 20  # times more repeats where there is one look, which costs next to nothing


@dataclass(frozen=True, kw_only=True)
class _Looks:
    """What a rule may look at, for L runs of the whole protocol.

    Attributes:
      right: [L, E, F], clips of each fold that are right at each epoch.
      sizes: [F], clips of each fold.
      uf1: [L, E], of the pooled predictions of an epoch.
      inner: int [L, F], positions that inner validation chose, or None.
    """

    right: np.ndarray
    sizes: np.ndarray
    uf1: np.ndarray
    inner: np.ndarray | None


def _last_epoch(looks: _Looks) -> np.ndarray:
    lanes, epochs, folds = looks.right.shape
    return np.full((lanes, folds), epochs - 1)


def _inner_epoch(looks: _Looks) -> np.ndarray:
    assert looks.inner is not None
    return looks.inner


def _shared_epoch(looks: _Looks) -> np.ndarray:
    lanes, _, folds = looks.right.shape
    return np.broadcast_to(_latest_best(looks.uf1)[:, None], (lanes, folds))


def _fold_epoch(looks: _Looks) -> np.ndarray:
    return _latest_best(looks.right)


def _stop_at_100(looks: _Looks) -> np.ndarray:
    perfect = looks.right == looks.sizes
    return np.where(perfect.any(1), perfect.argmax(1), _latest_best(looks.right))


def _latest_best(score: np.ndarray) -> np.ndarray:
    """Argmax over axis 1; of equals the latest, as `best <= accuracy` keeps it."""
    return score.shape[1] - 1 - score[:, ::-1].argmax(axis=1)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A way to choose the epoch a fold is scored at.

    Attributes:
      name: short, for files.
      text: one line, for people.
      is_result: False if it looks at test scores.
      choose: looks -> int [L, F], position among the stored epochs.
    """

    name: str
    text: str
    is_result: bool
    choose: Callable[[_Looks], np.ndarray]


RULES = (
    Rule(
        name="last",
        text="last epoch, fixed beforehand",
        is_result=True,
        choose=_last_epoch,
    ),
    Rule(
        name="shared_epoch",
        text="one epoch for all folds, best pooled test UF1 (ties: the latest)",
        is_result=False,
        choose=_shared_epoch,
    ),
    Rule(
        name="fold_epoch",
        text="each fold's epoch of best test accuracy (ties: the latest)",
        is_result=False,
        choose=_fold_epoch,
    ),
    # Scores as fold_epoch by construction: a fold that is ever 100 % right is 100 %
    # right under both. It differs in the epochs trained, and says how they end.
    Rule(
        name="stop_at_100",
        text="a fold stops once its test subject is 100 % right, else as above",
        is_result=False,
        choose=_stop_at_100,
    ),
)

INNER = Rule(
    name="inner_val",
    text="inner validation: best UF1 on people left out (ties: the latest)",
    is_result=True,
    choose=_inner_epoch,
)


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One rule's scores on one subset of the clips.

    Attributes:
      name: of the rule.
      rule: the rule in words.
      is_result: whether the scores may be called a result: the rule looks at no
        test score and no clip is missing.
      looks: stored epochs whose test scores the rule looks at; 1 for a result.
      scores: mean over seeds.
      per_seed: [S].
      random: what the random classifier scores under the same rule, mean over its
        repeats.
      intervals: over subjects; None for rules that look at test scores, whose error
        is not sampling.
      epochs: int [S, F], epoch chosen per seed and fold, all folds of the protocol
        in order of their names.
    """

    name: str
    rule: str
    is_result: bool
    looks: int
    scores: Scores
    per_seed: tuple[Scores, ...]
    random: Scores
    intervals: Intervals | None
    epochs: tuple[tuple[int, ...], ...]


def ladder(
    results: Results,
    *,
    repeats: int = 50,
    resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, tuple[Rung, ...]]:
    """Scores every rule on every subset of the clips.

    Epochs are chosen per seed on the whole protocol; a corpus is cut from the
    pooled predictions afterwards.

    Args:
      results: of an experiment.
      repeats: experiments of the random classifier per rule (20 times as many for
        one look).
      resamples: of the bootstrap over subjects.
      seed: of the random classifier and of the bootstrap.

    Returns:
      Subset name to one rung per rule: the last epoch, inner validation, the others.
    """
    _, folds = np.unique(results.folds, return_inverse=True)
    k, subsets, rules = len(results.classes), results.subsets, rules_of(results)
    chosen = _choose(
        results.predictions, results.labels, folds, k, rules, results.inner_positions
    )
    picked = {n: _pick(results.predictions, c, folds) for n, c in chosen.items()}
    random = _random_scores(results, repeats, seed)

    def rung(rule: Rule, subset: str) -> Rung:
        where = subsets[subset]
        predictions = picked[rule.name][:, where]
        intervals = None
        if rule.is_result:
            by_subject = confusion_by_subject(results, where, predictions)
            intervals = subject_intervals(by_subject, resamples=resamples, seed=seed)
        counted = confusion(results.labels[where], predictions, k)
        epochs = results.epochs[chosen[rule.name]].tolist()
        return Rung(
            name=rule.name,
            rule=rule.text,
            is_result=rule.is_result and results.complete,
            looks=1 if rule.is_result else len(results.epochs),
            scores=mean_scores(counted),
            per_seed=tuple(map(mean_scores, counted)),
            random=random[rule.name, subset],
            intervals=intervals,
            epochs=tuple(map(tuple, epochs)),
        )

    return {subset: tuple(rung(rule, subset) for rule in rules) for subset in subsets}


def rules_of(results: Results) -> tuple[Rule, ...]:
    """Returns the rules that can be applied, `INNER` where it chose."""
    inner = () if results.inner_epochs is None else (INNER,)
    return (RULES[0], *inner, *RULES[1:])


def _choose(
    predictions: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    num_classes: int,
    rules: Sequence[Rule],
    inner: np.ndarray | None,
) -> Mapping[str, np.ndarray]:
    """Rule name to int [L, F], from predictions [L, E, N] and fold indices [N]."""
    by_fold = np.argsort(folds, kind="stable")
    sizes = np.bincount(folds)  # every fold holds a clip: the indices are dense
    starts = sizes.cumsum() - sizes
    right = (predictions == labels)[..., by_fold]
    looks = _Looks(
        right=np.add.reduceat(right, starts, axis=-1, dtype=np.int32),
        sizes=sizes,
        uf1=uf1(confusion(labels, predictions, num_classes)),
        inner=inner,
    )
    return {rule.name: rule.choose(looks) for rule in rules}


def _pick(predictions: np.ndarray, chosen: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Predictions [L, N] at the epochs [L, F] chosen for their folds."""
    epoch = chosen[:, None, folds]  # [L, 1, N]
    return np.take_along_axis(predictions, epoch, axis=1)[:, 0]


def _random_scores(
    results: Results, repeats: int, seed: int
) -> dict[tuple[str, str], Scores]:
    """(rule, subset) to the mean scores of many random experiments."""
    rules = rules_of(results)
    honest = tuple(rule for rule in rules if rule.is_result)
    others = tuple(rule for rule in rules if not rule.is_result)
    return _play(results, honest, 1, repeats, seed) | _play(
        results, others, len(results.epochs), repeats, seed
    )


def _play(
    results: Results, rules: Sequence[Rule], looks: int, repeats: int, seed: int
) -> dict[tuple[str, str], Scores]:
    """Mean scores of `repeats` random experiments of `looks` epochs each."""
    order = np.argsort(results.keys)  # draws by name: the order of the clips is free
    labels, priors = results.labels[order], results.priors[order]
    _, folds = np.unique(np.array(results.folds)[order], return_inverse=True)
    k, n = len(results.classes), len(order)
    draws = generator("random classifier", seed)
    counts: dict[tuple[str, str], list[np.ndarray]] = {}
    repeats *= _CHEAP if looks == 1 else 1
    lanes = max(1, _CELLS // (looks * n))
    for start in range(0, repeats, lanes):
        shape = (min(lanes, repeats - start), looks, n)
        predictions = _draw(draws, priors, shape)
        once = np.zeros((shape[0], folds.max() + 1), int)  # of one look: that one
        chosen = _choose(predictions, labels, folds, k, rules, once)
        for name, epochs in chosen.items():
            picked = _pick(predictions, epochs, folds)
            for subset, where in results.subsets.items():
                here = where[order]
                counted = confusion(labels[here], picked[:, here], k)
                counts.setdefault((name, subset), []).append(counted)
    return {key: mean_scores(np.concatenate(c)) for key, c in counts.items()}


def _draw(
    draws: np.random.Generator, priors: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Int16 [L, E, N]: classes drawn from priors [N, K] by inverting their sums."""
    uniform = draws.random(shape, dtype=np.float32)
    sums = priors.cumsum(axis=1).astype(np.float32)
    predictions = np.zeros(shape, np.int16)
    for c in range(priors.shape[1] - 1):
        predictions += uniform >= sums[:, c]
    return predictions
