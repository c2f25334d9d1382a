"""Inner folds: who of the people that train is left out, to choose the epoch on.

An inner fold divides the training clips of a fold and never sees its test clips, so an
epoch that was chosen in it is chosen without them.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence, Set

import numpy as np

from mer_jax.data.corpus import Corpus
from mer_jax.data.folds import Fold
from mer_jax.data.pools import Pool, Resident
from mer_jax.errors import UserError

PART = 5  # one person in so many is left out
INNER = "inner of "  # fold name: no corpus is called so, hence no fold


def inner_folds(
    folds: Sequence[Fold],
    clips: Corpus | Resident,
    pools: Sequence[Pool],
    protocol: str,
) -> tuple[Fold, ...]:
    """Returns the inner fold of each fold, in order.

    Its `train` are the fold's without those left out, its `test` the training clips of
    these. Pools whose people differ from fold to fold lose them, too; the others are
    as they are.

    Args:
      folds: of the sample, with their pools.
      clips: of the sample, then of the pools.
      pools: of the experiment.
      protocol: its title, part of what decides who is left out.

    Raises:
      UserError: if only one person trains in a fold.
    """
    people, shared = np.array(clips.subjects), {p.name for p in pools if p.shared}

    def inner(fold: Fold) -> Fold:
        shows: dict[str, set[int]] = {}
        for clip in fold.train:
            shows.setdefault(clips.subjects[clip], set()).add(int(clips.labels[clip]))
        if len(shows) < 2:
            raise UserError(
                f"--inner-val: in fold {fold.name} only {', '.join(shows)} trains, and "
                "nobody can be left out. It needs two people who train"
            )
        away = np.isin(people, left_out(shows, protocol, fold.name))
        return Fold(
            name=INNER + fold.name,
            train=fold.train[~away[fold.train]],
            test=fold.train[away[fold.train]],
            pools={
                name: own if name in shared else own[~away[own]]
                for name, own in fold.pools.items()
            },
            inside=fold.name,
        )

    return tuple(inner(fold) for fold in folds)


def left_out(shows: Mapping[str, Set[int]], *words: str) -> tuple[str, ...]:
    """Returns a fifth of the people, rounded, and one at least; sorted by name.

    A pure function of the names: people come in the order of the SHA-256 of the words
    and their name. First is who takes no class away from those that stay, then who
    shows most classes that nobody left out shows yet. So each class is on both sides
    where a fifth of the people can see to that; a class that one person shows stays
    with those who train, unless there is no other person to leave out. Rather than
    take a class away, the second and later are not left out at all.

    Args:
      shows: name -> the classes of this person's clips, of two people or more.
      words: what else decides.
    """
    staying = sorted(shows, key=lambda who: _digest(*words, who))
    chosen: list[str] = []
    covered: set[int] = set()
    while len(chosen) < max(1, round(len(shows) / PART)):
        times = Counter(label for who in staying for label in shows[who])
        lost = {who: sum(times[k] == 1 for k in shows[who]) for who in staying}
        best = min(staying, key=lambda who: (lost[who], -len(shows[who] - covered)))
        if chosen and lost[best]:
            break
        staying.remove(best)
        chosen.append(best)
        covered |= shows[best]
    return tuple(sorted(chosen))


def _digest(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()
