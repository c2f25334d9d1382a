"""Many mutants of many twins, each from its number and the seed alone, and a tally."""

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from openpyxl.utils.exceptions import IllegalCharacterError

from tests.hostile import bombs, on_csv, on_files, on_images, on_tables
from tests.hostile.judge import CLEAR, CORRECT, FAULTS, verdict
from tests.hostile.scene import NotHere, Scene
from tests.hostile.worker import Worker
from tests.hostile.worlds import Worlds

MUTATIONS = (
    *on_files.FILES,
    *on_tables.TABLE,
    *on_csv.CSV,
    *on_images.PICTURES,
    *bombs.BOMBS,
)
_TRIES = 30  # of mutations that find nothing to damage


class Case(NamedTuple):
    """What came of a mutant."""

    number: int
    world: str  # 'casme2/raw'
    steps: tuple[str, ...]  # mutations, in order
    outcome: str
    about: str

    def __str__(self):
        steps = " + ".join(self.steps)
        return f"#{self.number} {self.world} {steps}: {self.outcome}: {self.about}"


class Campaign:
    """Makes mutants and judges them.

    Attributes:
      worlds: the twins.
      seed: of the mutants.
    """

    def __init__(self, folder: Path, seed: int = 0):
        self.worlds, self.seed, self.folder = Worlds(folder), seed, folder
        self.worker = Worker()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.worker.close()

    def run(self, numbers) -> Iterator[Case]:
        """Yields the cases of these numbers."""
        for number in numbers:
            yield self.case(number)

    def case(self, number: int, mutations=None, world=None, *, only=False) -> Case:
        """Makes a mutant and judges it.

        Mutations and worlds take turns, so that few numbers have them all; what else
        is drawn depends on the number and the seed.

        Args:
          number: of the mutant.
          mutations: the first to be tried, all of them by default.
          world: 'casme2/raw'; by default one in turn.
          only: whether no other mutation may follow.
        """
        rng = random.Random(f"{self.seed}/{number}")
        names = self.worlds.names
        name = world or names[number % len(names)]
        with tempfile.TemporaryDirectory(dir=self.folder) as work:
            world = self.worlds.world(name)
            root = Path(work, world.root.name)
            shutil.copytree(world.root, root, symlinks=True)
            shutil.copytree(world.outside, Path(work, "outside"))
            scene = Scene(root, Path(work, "outside"), rng)
            first = mutations or _in_turn(self.seed, number)
            if _mutate(scene, first) and not only:
                for _ in range(rng.choice((0, 0, 1, 2))):
                    _mutate(scene, MUTATIONS)
            attempted = self.worker.attempt(name, root) if scene.bomb else None
            outcome = verdict(world, scene, attempted)
            _unlock(root)
        return Case(number, name, tuple(scene.steps), *outcome)


def _in_turn(seed, number):
    """All mutations, another one first for every number."""
    order = random.Random(f"{seed}/order/{number // len(MUTATIONS)}")
    shuffled = order.sample(MUTATIONS, len(MUTATIONS))
    return shuffled[number % len(MUTATIONS)], *shuffled


def _mutate(scene, mutations):
    """Applies the first, or else another one that finds something to damage."""
    tries = [mutations[0]] if mutations is not MUTATIONS else []
    tries += [scene.rng.choice(mutations) for _ in range(_TRIES)]
    for mutate in tries:
        try:
            mutate(scene)
        except (NotHere, IllegalCharacterError):  # the latter: no workbook has that
            continue
        scene.steps.append(mutate.__name__)
        return True
    return False


def _unlock(root):
    """Lets files that nobody may read be removed."""
    for path in root.rglob("*"):
        if not path.is_symlink() and not os.access(path, os.R_OK):
            path.chmod(0o700)


def tally(cases: list[Case]) -> str:
    """Returns a table: mutations down, outcomes across."""
    columns = (CORRECT, CLEAR, *FAULTS)
    counts = Counter((step, case.outcome) for case in cases for step in case.steps)
    lines = [("mutation", *columns)]
    for step in sorted({step for step, _ in counts}):
        lines.append((step, *(str(counts[step, c] or ".") for c in columns)))
    total = Counter(case.outcome for case in cases)
    lines.append(("mutants (1 to 3 mutations each)", *(str(total[c]) for c in columns)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
