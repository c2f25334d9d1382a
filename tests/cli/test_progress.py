"""Tests for mer_jax/cli/progress.py: what `mer run` tells while it trains."""

import io

import pytest
from rich.console import Console

from mer_jax.cli import progress as module
from mer_jax.cli.progress import TrainingProgress
from mer_jax.ensemble.pack import Wave
from tests import flights

SEEDS = (0, 7)
ROW = flights.pretrained("disjoint", SEEDS)
SHARED = Wave((ROW.shared_run(SEEDS[0]),), 1)
BOTH = Wave(tuple(ROW.shared_run(seed) for seed in SEEDS), 2)
RUN = ROW.runs[0]
FOLD = Wave((RUN, RUN), 1)  # one run, one lane of padding


class Clock:
    """Stands still but for what a step takes."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module, "LINE_EVERY", -1.0)  # a line for every step
    return clock


def started(terminal=False, **sizes):
    screen = Console(
        file=io.StringIO(), force_terminal=terminal, width=150, highlight=False
    )
    return TrainingProgress(screen, **sizes), screen.file


def take(progress, clock, steps, seconds):
    for _ in range(steps):
        clock.now += seconds
        progress.stepped()


def test_steps_of_shared_stages_are_counted_and_named(clock):
    progress, out = started(steps=20, runs=2, shared_steps=10, shared=["pretrain"])
    progress.wave(SHARED)
    assert out.getvalue() == "training pretrain, shared by all folds, seed 0\n"
    progress.resumed(4)  # 6 of 10 are left
    take(progress, clock, 3, seconds=2.0)
    *_, last = out.getvalue().splitlines()
    # 3 and 20 steps are left, at one in two seconds; no fold is being trained.
    assert last == (
        "0 of 2 runs done, 0.5 steps/s, 46 s left; "
        "training pretrain, shared by all folds, seed 0"
    )


def test_the_speed_of_folds_is_not_that_of_shared_stages(clock):
    progress, out = started(steps=20, runs=2, shared_steps=3, shared=["a", "b"])
    progress.wave(SHARED)
    take(progress, clock, 3, seconds=10.0)
    progress.wave(FOLD)
    clock.now += 100  # compiling
    take(progress, clock, 5, seconds=0.5)
    *_, last = out.getvalue().splitlines()
    # 15 steps are left at two in a second; a run takes 10.
    assert last.startswith("0 of 2 runs done, 2.0 steps/s, 0.2 folds/s, 8 s left; ")
    assert last.endswith(f"training {RUN}")
    progress.landed(RUN)
    progress.wave(FOLD)  # the clock goes on
    take(progress, clock, 4, seconds=1.0)
    assert "1 of 2 runs done, 1.3 steps/s" in out.getvalue().splitlines()[-1]


def test_several_seeds_in_a_wave_count_each(clock):
    progress, out = started(steps=20, runs=2, shared_steps=20, shared=["pretrain"])
    progress.wave(BOTH)
    assert "shared by all folds, seed 0 and 1 more\n" in out.getvalue()
    take(progress, clock, 2, seconds=1.0)
    assert ", 2.0 steps/s, 18 s left" in out.getvalue()


def test_a_terminal_shows_a_bar_of_all_steps(clock):
    progress, out = started(True, steps=6, runs=1, shared_steps=3, shared=["pretrain"])
    with progress.shown():
        progress.wave(SHARED)
        take(progress, clock, 3, seconds=1.0)
        progress.wave(FOLD)
        take(progress, clock, 6, seconds=1.0)
        (task,) = progress._bar.tasks
        assert task.total == task.completed == 2 + 5  # the first of each compiles
    assert "training pretrain, shared by all folds, seed 0" in out.getvalue()


def test_nothing_shared_is_as_before(clock):
    progress, out = started(steps=10, runs=1)
    progress.wave(FOLD)
    assert out.getvalue() == ""
    take(progress, clock, 2, seconds=1.0)
    line = "0 of 1 runs done, 1.0 steps/s, 0.1 folds/s, 8 s left; training "
    assert out.getvalue() == f"{line}{RUN}\n"
