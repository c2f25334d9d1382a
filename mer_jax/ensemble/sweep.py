"""An experiment from its rows to a full ledger: what is left to do, wave by wave."""

import contextlib
import dataclasses
import fcntl
import functools
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from mer_jax.data.corpora import load
from mer_jax.data.corpus import Corpus
from mer_jax.data.folds import Fold, sample_hash
from mer_jax.data.prepared import Progress
from mer_jax.ensemble.checkpoint import Checkpoints
from mer_jax.ensemble.experiment import Experiment, Run, runs_of, settings
from mer_jax.ensemble.filing import file_wave, provenance
from mer_jax.ensemble.ledger import VERSION, Ledger
from mer_jax.ensemble.pack import Wave, pack
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.runner import Hooks, Interrupted, WaveRunner
from mer_jax.errors import UserError
from mer_jax.train.stage import System

KEEP_LIMIT = 2e9  # bytes of parameters kept unless told otherwise


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """An experiment row with its clips, folds and system at hand."""

    experiment: Experiment
    system: System
    corpus: Corpus
    folds: tuple[Fold, ...]

    @functools.cached_property
    def content(self) -> str:
        """Hash of the clips."""
        return self.corpus.content_hash()

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run, fold-major."""
        return runs_of(self.experiment, self.folds, self.content)

    def steps(self, run: Run) -> int:
        """Returns the steps per epoch of the run's last stage."""
        return -(-len(run.fold.train) // self.system.stages[-1].source.batch)

    def total_steps(self, run: Run) -> int:
        """Returns the steps of all stages of the run."""
        clips = len(run.fold.train)
        stages = self.system.stages
        return sum(s.num_epochs * -(-clips // s.source.batch) for s in stages)

    def manifest(self) -> dict[str, Any]:
        """Returns what the report must know, as JSON values."""
        definition = self.experiment.protocol.definition()
        clips = [
            [k, int(y), bool(s)]
            for k, y, s in zip(
                self.corpus.keys, self.corpus.labels, self.corpus.synthetic, strict=True
            )
        ]
        return {
            "name": self.experiment.name,
            "settings": settings(self.experiment),
            "seeds": list(self.experiment.seeds),
            "published": [dataclasses.asdict(p) for p in self.experiment.published],
            "classes": list(self.corpus.classes),
            "protocol": {
                "title": self.experiment.protocol.title,
                "version": definition.version,
                "division": self.experiment.protocol.division,
                "leak": self.experiment.protocol.leak,
                "definition": definition.hash,
            },
            "rules": list(self.corpus.rules),
            "reduced": self.corpus.reduced,
            "samples": sample_hash(self.corpus, self.folds),
            "content": self.content,
            "clips": clips,
            "folds": [fold.name for fold in self.folds],
            "runs": {f"{r.fold.name} {r.seed}": r.id for r in self.runs},
        }


def open_rows(
    experiments: Sequence[Experiment], *, cache: Path, progress: Progress | None = None
) -> list[Row]:
    """Returns the rows with their clips loaded; rows that share data share clips.

    Raises:
      UserError: for rows of the same name, or data that cannot be had.
    """
    names = [e.name for e in experiments]
    if len(set(names)) < len(names):
        raise UserError(f"rows of one experiment need different names, got {names}")
    loaded: dict[Any, Corpus] = {}
    rows = []
    for experiment in experiments:
        # The class count is the corpus's, so features are asked of a trial build.
        features = experiment.system.build(2).features
        protocol = experiment.protocol
        wanted = (experiment.data, protocol, tuple(sorted(features.items())))
        if wanted not in loaded:
            loaded[wanted] = load(
                experiment.data, protocol, features, cache=cache, progress=progress
            )
        corpus = loaded[wanted]
        rows.append(
            Row(
                experiment=experiment,
                system=experiment.system.build(len(corpus.classes)),
                corpus=corpus,
                folds=experiment.protocol.folds(corpus),
            )
        )
    return rows


def claim(workdir: Path, rows: Sequence[Row]) -> Ledger:
    """Returns the ledger of a workdir that is, or becomes, these rows'."""
    ledger = Ledger(workdir)
    ledger.claim({"version": VERSION, "rows": [row.manifest() for row in rows]})
    return ledger


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Holds the workdir, so that two processes do not train the same wave.

    Raises:
      UserError: if another process has it.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{workdir} is in use by another process; wait for it, or choose "
                "another --workdir"
            ) from None
        yield


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listener:
    """Whom a sweep tells what happens, and whom it asks.

    Attributes:
      wave: told each wave before it trains.
      landed: told each run after it was filed.
      hooks: handed to the runner.
    """

    wave: Callable[[Wave], None] = lambda wave: None
    landed: Callable[[Run], None] = lambda run: None
    hooks: Hooks = Hooks()


def train(
    row: Row,
    ledger: Ledger,
    *,
    layout: Layout,
    folds: Sequence[str] | None,
    keep_params: str,
    listener: Listener,
) -> None:
    """Trains every run of a row that the ledger lacks.

    Args:
      row: the row.
      ledger: of the workdir, claimed.
      layout: devices and lanes.
      folds: names of the folds to train now; None for all.
      keep_params: "auto", "all", "none" or a number of runs.
      listener: progress, and the wish to stop.

    Raises:
      UserError: see `WaveRunner.run`.
      Interrupted: after saving, if the listener wants to stop.
    """
    runs = chosen(row, folds)
    program = Program(row.system, row.corpus, row.folds, layout)
    keep = kept(row, program, keep_params)
    common = {**provenance(program), "content": row.content}
    for wave in waves(row, runs, ledger, program.width):
        listener.wave(wave)
        directory = ledger.wave_directory(wave.id)
        runner = WaveRunner(program, row.corpus, wave, directory)
        flight = runner.run(listener.hooks)
        file_wave(runner, flight, ledger, common=common, keep=keep)
        shutil.rmtree(directory, ignore_errors=True)
        for run in wave.runs[: wave.real]:
            listener.landed(run)
        if listener.hooks.stop():  # since the last step
            raise Interrupted
    _clear(ledger)


def _clear(ledger: Ledger) -> None:
    """Deletes checkpoints of runs that were trained in other waves meanwhile."""
    for directory in _flying(ledger):
        with Checkpoints(directory) as checkpoints:
            found = checkpoints.latest()
        if not found or all(ledger.done(run_id) for run_id in found[1]["runs"]):
            shutil.rmtree(directory, ignore_errors=True)


def _flying(ledger: Ledger) -> list[Path]:
    return sorted((ledger.workdir / "waves").glob("*"))


def chosen(row: Row, folds: Sequence[str] | None) -> list[Run]:
    """Returns the row's runs in the named folds.

    Raises:
      UserError: for a fold the protocol does not have.
    """
    known = [fold.name for fold in row.folds]
    unknown = sorted(set(folds or ()) - set(known))
    if unknown:
        raise UserError(
            f"--folds: no fold {', '.join(unknown)} in {row.experiment.name}; "
            f"there are {len(known)}: {', '.join(known[:5])}, ..."
        )
    return [run for run in row.runs if folds is None or run.fold.name in folds]


def waves(row: Row, runs: Sequence[Run], ledger: Ledger, width: int) -> list[Wave]:
    """Returns the waves left to train, those already in flight first.

    A wave in flight is taken up with the runs it has, if they are all still
    wanted and it has this width; otherwise its runs start again.
    """
    left = {run.id: run for run in runs if not ledger.done(run.id)}
    resumed = []
    taken: set[str] = set()
    for directory in _flying(ledger):
        with Checkpoints(directory) as checkpoints:
            found = checkpoints.latest()
        ids = found[1]["runs"] if found else []
        if len(ids) == width and all(i in left and i not in taken for i in ids):
            resumed.append(Wave(tuple(left[i] for i in ids), found[1]["real"]))
            taken.update(ids)
    rest = [run for run in left.values() if run.id not in taken]
    return resumed + pack(rest, width, row.steps)


def kept(row: Row, program: Program, keep_params: str) -> set[str]:
    """Returns the ids of the runs whose parameters are written.

    Raises:
      UserError: if `keep_params` is none of its values.
    """
    ids = [run.id for run in row.runs]
    if keep_params == "auto":
        state = program.abstract_state(row.system.stages[-1].name)
        leaves = jax.tree.leaves((state.params, state.model_state))
        size = sum(x.size * x.dtype.itemsize for x in leaves) / program.width
        keep_params = "all" if size * len(ids) < KEEP_LIMIT else "none"
    if keep_params in ("all", "none"):
        return set(ids) if keep_params == "all" else set()
    if not keep_params.isdigit():
        raise UserError(
            f"--keep-params must be auto, all, none or a number of runs, "
            f"got {keep_params!r}"
        )
    return set(ids[: int(keep_params)])
