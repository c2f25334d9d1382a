"""The rows of an experiment with their clips, folds and systems at hand."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mer_jax.data.corpora import load
from mer_jax.data.corpus import Corpus
from mer_jax.data.folds import Fold, sample_hash
from mer_jax.data.inner import inner_folds
from mer_jax.data.pools import (
    Pool,
    Resident,
    positions,
    resident,
    shared_fold,
    with_pools,
)
from mer_jax.data.prepared import Progress
from mer_jax.ensemble.experiment import (
    Experiment,
    Run,
    fingerprint,
    runs_of,
    settings,
)
from mer_jax.errors import UserError
from mer_jax.train.stage import Beside, Source, Stage, System


def check_pools(system: System, pools: Sequence[Pool]) -> None:
    """Checks that there are the pools that stages train on, and their labels.

    Raises:
      UserError: naming the stage and the pool.
    """
    named = {pool.name: pool for pool in pools}
    for stage in system.stages:
        sources: list[Source | Beside] = [stage.source, *stage.beside.values()]
        for source in sources:
            if not source.pool:
                continue
            what = (
                f"stage {stage.name!r} of {system.name} trains on pool {source.pool!r}"
            )
            if source.pool not in named:
                raise UserError(
                    f"{what}, and the experiment's pools are {sorted(named)}. Add "
                    f"Pool(name={source.pool!r}, ...) to them"
                )
            if source.labelled and named[source.pool].protocol is None:
                raise UserError(
                    f"{what} and needs its labels: give the pool a protocol of the "
                    "sample's classes"
                )


def whose_frames(system: System, pools: Sequence[Pool]) -> set[str]:
    """Returns the pools whose frames some stage trains on, '' being the sample."""
    named = {s.source.pool for s in system.stages if s.source.of == "frames"}
    both = any(pool.name in named and pool.with_sample for pool in pools)
    return named | ({""} if both else set())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """An experiment row with its clips, folds and system at hand.

    Attributes:
      experiment: the row of the experiment file.
      system: built for the sample's classes.
      corpus: the sample.
      folds: of the sample; they know what trains of each pool.
      pools: the experiment's pools, with their clips.
    """

    experiment: Experiment
    system: System
    corpus: Corpus
    folds: tuple[Fold, ...]
    pools: tuple[tuple[Pool, Corpus], ...] = ()

    @functools.cached_property
    def content(self) -> str:
        """Hash of the clips."""
        hashes = [corpus.content_hash() for _, corpus in self.pools]
        sample = self.corpus.content_hash()
        return fingerprint(sample, hashes) if hashes else sample

    @functools.cached_property
    def clips(self) -> Resident | Corpus:
        """The sample's clips, then the pools'."""
        return resident(self.corpus, self.pools)

    @property
    def leak(self) -> str:
        """Why scores are no result although nothing was selected, or nothing."""
        reasons = [self.experiment.protocol.leak, *(p.leak for p, _ in self.pools)]
        return "; ".join(reason for reason in reasons if reason)

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run, fold-major."""
        return runs_of(self.experiment, self.folds, self.content)

    @functools.cached_property
    def inner_folds(self) -> tuple[Fold, ...]:
        """The inner fold of each fold; see `inner_folds` for who is left out."""
        told = self.experiment.pools, self.experiment.protocol.title
        return inner_folds(self.folds, self.clips, *told)

    @property
    def inner_runs(self) -> tuple[Run, ...]:
        """One inner run of every run, in the same order."""
        return runs_of(self.experiment, self.inner_folds, self.content)

    def tested(self, fold: Fold) -> list[str]:
        """Returns the names of the people whose clips a fold tests, sorted."""
        subjects = self.corpus.subjects
        return sorted({subjects[i] for i in fold.test})

    @functools.cached_property
    def shared_stages(self) -> tuple[Stage, ...]:
        """The first stages, as far as they are the same in every fold."""
        once = {pool.name for pool in self.experiment.pools if pool.shared}
        stages = self.system.stages
        own = (i for i, s in enumerate(stages) if not once.issuperset(s.pools))
        number = next(own, len(stages))
        return stages[:number]

    @property
    def own_stages(self) -> tuple[Stage, ...]:
        """The stages that every run trains itself."""
        return self.system.stages[len(self.shared_stages) :]

    def shared_run(self, seed: int) -> Run:
        """Returns the training of the shared stages with one seed."""
        fold = shared_fold(self.folds, self.experiment.pools)
        return Run(
            experiment=self.experiment, fold=fold, seed=seed, content=self.content
        )

    def steps(self, run: Run) -> int:
        """Returns the steps per epoch of the run's last stage."""
        return self.epoch_steps(self.system.stages[-1], run)

    def total_steps(self, run: Run) -> int:
        """Returns the steps of all stages that the run trains itself."""
        own = self.own_stages
        return sum(stage.num_epochs * self.epoch_steps(stage, run) for stage in own)

    def shared_steps(self, seed: int) -> int:
        """Returns the steps of the stages that are trained once for all folds."""
        run = self.shared_run(seed)
        shared = self.shared_stages
        return sum(stage.num_epochs * self.epoch_steps(stage, run) for stage in shared)

    def epoch_steps(self, stage: Stage, run: Run) -> int:
        """Returns the steps of one pass of a stage over what it trains on."""
        source = stage.source
        trains = positions(self.clips, run.fold, source.pool, source.of)
        return -(-len(trains) // source.batch)

    def manifest(self, *, inner: bool = False) -> dict[str, Any]:
        """Returns what the report must know, as JSON values.

        Args:
          inner: whether there are inner runs, and so "inner".
        """
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
            "caveat": self.system.caveat,
            "seeds": sorted(self.experiment.seeds),
            "published": [dataclasses.asdict(p) for p in self.experiment.published],
            "classes": list(self.corpus.classes),
            "protocol": {
                "title": self.experiment.protocol.title,
                "version": definition.version,
                "division": self.experiment.protocol.division,
                "leak": self.leak,
                "definition": definition.hash,
            },
            "pools": [self._pool(pool, corpus) for pool, corpus in self.pools],
            "rules": [*self.corpus.rules, *self._pool_rules(), *self._file_rules()],
            "reduced": self.corpus.reduced,
            "samples": sample_hash(self.corpus, self.folds),
            "content": self.content,
            "clips": clips,
            "folds": [fold.name for fold in self.folds],
            "runs": {f"{r.fold.name} {r.seed}": r.id for r in self.runs},
            **({"inner": self._inner()} if inner else {}),
        }

    def _inner(self) -> dict[str, Any]:
        """Returns whom each fold leaves out to choose the epoch, and in which runs."""
        return {
            "left_out": {f.inside: self.tested(f) for f in self.inner_folds},
            "runs": {f"{r.fold.inside} {r.seed}": r.id for r in self.inner_runs},
        }

    def _pool(self, pool: Pool, corpus: Corpus) -> dict[str, Any]:
        """Returns what the report prints of a pool."""
        trains = lambda stages: [s.name for s in stages if pool.name in s.pools]
        return {
            "name": pool.name,
            "scope": pool.scope,
            "corpora": list(pool.data.corpora),
            "clips": len(corpus.keys),
            "people": len(set(corpus.subjects)),
            "once": trains(self.shared_stages),
            "per_fold": trains(self.own_stages),
        }

    def _file_rules(self) -> Iterator[str]:
        system: Any = self.experiment.system
        for field in dataclasses.fields(system):
            if field.metadata.get("file") and getattr(system, field.name):
                name = Path(getattr(system, field.name)).name
                yield (
                    f"{field.name}: from {name}; whom it was trained on is not known "
                    "here, people held out may be among them"
                )

    def _pool_rules(self) -> Iterator[str]:
        for pool, corpus in self.pools:
            about = f"{pool.name} ({pool.scope}): {corpus.name}"
            yield from (f"{about}: {rule}" for rule in corpus.rules)


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
    read = functools.cache(functools.partial(_load, cache, progress))
    return [_row(experiment, read) for experiment in experiments]


def _row(experiment: Experiment, read: Callable[..., Corpus]) -> Row:
    # Counts are the corpus's, so features are asked of a trial build.
    trial = experiment.system.build(2, 2)
    features = tuple(sorted(trial.features.items()))
    check_pools(trial, experiment.pools)
    filmed = whose_frames(trial, experiment.pools)
    frames = lambda name: trial.frames if name in filmed else None
    corpus = read(experiment.data, experiment.protocol, features, frames(""))
    pools = tuple(
        (pool, read(pool.data, pool.protocol, features, frames(pool.name)))
        for pool in experiment.pools
    )
    return Row(
        experiment=experiment,
        system=experiment.system.build(len(corpus.classes), corpus.num_subjects),
        corpus=corpus,
        folds=with_pools(experiment.protocol.folds(corpus), corpus, pools),
        pools=pools,
    )


def _load(cache, progress, data, protocol, features, frames) -> Corpus:
    told = {"cache": cache, "progress": progress}
    return load(data, protocol, dict(features), frames=frames, **told)
