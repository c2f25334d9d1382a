"""From logits to honest numbers: scores, intervals over subjects, the selection ladder.

NumPy, and SciPy for one test. `Results` is what an experiment hands over, `evaluate`
what it gets back.
"""

from mer_jax.metrics.bootstrap import Interval, Intervals, subject_intervals
from mer_jax.metrics.evaluation import Cut, evaluate
from mer_jax.metrics.ladder import RULES, Rule, Rung, ladder
from mer_jax.metrics.paired import (
    Difference,
    Differences,
    last_confusions,
    paired_differences,
)
from mer_jax.metrics.permutation import Permutation, paired_permutation
from mer_jax.metrics.predictions import Predictions, in_classes, read_predictions
from mer_jax.metrics.published import Published
from mer_jax.metrics.results import ALL, Results
from mer_jax.metrics.scores import (
    Scores,
    accuracy,
    confusion,
    confusion_by_group,
    mean_scores,
    uar,
    uf1,
)

__all__ = [
    "ALL",
    "RULES",
    "Cut",
    "Difference",
    "Differences",
    "Interval",
    "Intervals",
    "Permutation",
    "Predictions",
    "Published",
    "Results",
    "Rule",
    "Rung",
    "Scores",
    "accuracy",
    "confusion",
    "confusion_by_group",
    "evaluate",
    "in_classes",
    "ladder",
    "last_confusions",
    "mean_scores",
    "paired_differences",
    "paired_permutation",
    "read_predictions",
    "subject_intervals",
    "uar",
    "uf1",
]
