"""From logits to honest numbers: scores, intervals over subjects, the selection ladder.

NumPy, and SciPy for one test. `Results` is what an experiment hands over, `evaluate`
what it gets back.
"""

from mer_jax.metrics.bootstrap import Interval, Intervals, subject_intervals
from mer_jax.metrics.evaluation import Cut, evaluate
from mer_jax.metrics.ladder import RULES, Rule, Rung, ladder
from mer_jax.metrics.learning import Learning, learning
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
from mer_jax.metrics.seeds import (
    SeedDifferences,
    seed_differences,
    standard_deviation,
)

__all__ = [
    "ALL",
    "RULES",
    "Cut",
    "Difference",
    "Differences",
    "Interval",
    "Intervals",
    "Learning",
    "Permutation",
    "Predictions",
    "Published",
    "Results",
    "Rule",
    "Rung",
    "Scores",
    "SeedDifferences",
    "accuracy",
    "confusion",
    "confusion_by_group",
    "evaluate",
    "in_classes",
    "ladder",
    "learning",
    "last_confusions",
    "mean_scores",
    "paired_differences",
    "paired_permutation",
    "read_predictions",
    "seed_differences",
    "standard_deviation",
    "subject_intervals",
    "uar",
    "uf1",
]
