"""Scores and differences seed by seed, spelled: what other trainings would give."""

from collections.abc import Sequence

from mer_jax.metrics import Cut, Rung, Scores, SeedDifferences, standard_deviation

ONE_SEED = "one seed: its spread over seeds is not known"
SEEDS_HOW = (
    "Each seed is a training of its own, on the same people; the brackets above are of "
    "other people and the same nets. The mean over seeds counts, never the best one."
)
SIGNS_HOW = (
    "Seeds: each minus the same seed of the other row, or, where their seeds differ, "
    "every one minus every other. Where signs differ another training may turn the "
    "difference, whatever p is. Few seeds agree by luck: two, one time in two."
)


def deviation(of: Cut | Rung) -> Scores | None:
    """Returns the standard deviation over seeds, None of one."""
    return standard_deviation(of.per_seed)


def uf1_per_seed(seeds: Sequence[int], per_seed: Sequence[Scores]) -> str:
    """Spells UF1 of each seed, and where nothing is known of their spread."""
    pairs = zip(seeds, per_seed, strict=True)
    told = ", ".join(f"{own.uf1:.3f} (seed {seed})" for seed, own in pairs)
    return told if len(seeds) > 1 else f"{told}; {ONE_SEED}"


def signs(of: SeedDifferences) -> str:
    """Spells with how many seeds UF1 is above, and how far; '' of one pair."""
    if len(of.pairs) == 1:
        return ""
    what = "seeds" if of.matched else "pairs of seeds"
    return (
        f"above with {of.above} of {len(of.pairs)} {what}, "
        f"{min(of.uf1):+z.3f} to {max(of.uf1):+z.3f}"
    )
