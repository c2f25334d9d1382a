"""Tests for mer_jax/ensemble/pack.py."""

import collections

from hypothesis import given
from hypothesis import strategies as st

from mer_jax.ensemble.pack import Wave, pack
from tests import flights, toys

ROW = flights.row_of(
    toys.Duel(),
    toys.Duel().build(3, 6),
    toys.corpus(
        toys.Duel().build(3, 6).features,
        subjects={f"c/s{i:02}": 2 + i % 5 * 8 for i in range(20)},
    ),
)
RUNS = ROW.runs
ANY = st.lists(st.integers(0, len(RUNS) - 1), unique=True)
WIDTH = st.integers(1, 9)


@given(ANY, WIDTH)
def test_every_run_is_in_exactly_one_wave(chosen, width):
    runs = [RUNS[i] for i in chosen]
    waves = pack(runs, width, ROW.steps)
    real = [run.id for wave in waves for run in wave.runs[: wave.real]]
    assert collections.Counter(real) == collections.Counter(run.id for run in runs)


@given(ANY, WIDTH)
def test_waves_are_full_and_padding_repeats_a_real_run(chosen, width):
    waves = pack([RUNS[i] for i in chosen], width, ROW.steps)
    for wave in waves:
        assert len(wave.runs) == width and wave.real >= 1
        real = {run.id for run in wave.runs[: wave.real]}
        assert {run.id for run in wave.runs[wave.real :]} <= real
    assert all(wave.real == width for wave in waves[:-1])  # padding is last of all


@given(ANY, WIDTH)
def test_long_runs_come_first_and_equals_keep_their_order(chosen, width):
    runs = [RUNS[i] for i in chosen]
    packed = [
        run for wave in pack(runs, width, ROW.steps) for run in wave.runs[: wave.real]
    ]
    order = {run.id: place for place, run in enumerate(runs)}
    ranks = [(-ROW.steps(run), order[run.id]) for run in packed]
    assert ranks == sorted(ranks)


def test_nothing_left_is_no_wave():
    assert pack([], 4, ROW.steps) == []


def test_a_wave_is_named_by_its_runs_their_order_and_how_many_count():
    a, b = RUNS[:2]
    waves = [Wave((a, b), 2), Wave((b, a), 2), Wave((a, a), 2), Wave((a, a), 1)]
    assert len({wave.id for wave in waves}) == 4
    assert Wave((a, b), 2).id == Wave((a, b), 2).id
