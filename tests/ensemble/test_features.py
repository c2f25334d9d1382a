"""Tests for mer_jax/ensemble/features.py, and for `Program.features`."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.ensemble.features import Features, check_features, clips_of, features
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.program import Layout
from tests import flights

from .two_domains import INPUT, codes, negative, program, row, trained

SAMPLE = 24  # clips
WIDE = 17  # features


def fold_of(name, of=None):
    (fold,) = [fold for fold in (of or row()).folds if fold.name == name]
    return fold


def test_features_count_of_the_sample_and_of_clips_beside_it_that_may_train():
    held_out, another = fold_of("samm/006"), fold_of("smic/s06")
    assert clips_of(row(), held_out, "").tolist() == list(range(SAMPLE))
    everything = list(range(SAMPLE, SAMPLE + 4 + 6 + 5 + 3))
    assert clips_of(row(), another, INPUT).tolist() == everything
    assert clips_of(row(), held_out, INPUT).tolist() == everything[4:]
    assert row().clips.subjects[SAMPLE] == "samm/006"


def test_clips_are_found_by_their_positions():
    values = np.arange(12.0).reshape(2, 3, 2)
    found = Features(np.array([3, 5, 9]), {"before": values, "after": -values})
    of = found.of(1, np.array([9, 3]))
    assert of["before"].tolist() == [[10, 11], [6, 7]]
    assert of["after"].tolist() == [[-10, -11], [-6, -7]]


@pytest.mark.parametrize("layout", [flights.ALONE, Layout(2, 2)])
def test_they_are_what_the_nets_at_either_end_make_of_each_input(layout, tmp_path):
    with_program = program(layout)
    folds = ["samm/006", "smic/s06"] * (with_program.width // 2) or ["smic/s06"]
    wave = flights.wave(row(), folds)
    nets = trained(with_program, range(1, 1 + with_program.width))
    found = features(row(), with_program, wave, nets)
    assert list(found) == ["", INPUT]
    runner = flights.runner(row(), with_program, folds, tmp_path)
    start = flights.enter(runner, "duel")
    for name, look in (("", codes), (INPUT, negative)):
        clips = np.unique(
            np.concatenate([clips_of(row(), run.fold, name) for run in wave.runs])
        )
        assert found[name].clips.tolist() == clips.tolist()
        batch = flights.batch_of(row().clips, clips)
        for when, (params, state) in (
            ("before", (start.params, start.model_state)),
            ("after", nets["duel"]),
        ):
            for lane in range(with_program.width):
                own = jax.tree.map(lambda x, i=lane: np.asarray(x[i]), params)
                expected = look(own, state, batch)["features"]
                told = found[name].values[when][lane]
                assert told.shape == (len(clips), WIDE)
                np.testing.assert_allclose(told, expected, atol=1e-5)


def test_an_input_without_clips_of_its_own_is_left_out():
    of = row(pool="")  # the fold's own clips once more
    wave = flights.wave(of, ["smic/s06"])
    with_program = flights.program_of(of)
    found = features(of, with_program, wave, trained(with_program, [1]))
    assert list(found) == [""]


def narrow(params, model_state, batch):
    return {"features": codes(params, model_state, batch)["features"][:, 1:]}


def pictures(params, model_state, batch):
    return {"pictures": batch["apex"]}


@pytest.mark.parametrize(
    ("inspect", "further", "names"),
    [
        (codes, negative, ["", INPUT]),
        (codes, narrow, [""]),
        (codes, pictures, [""]),
        (codes, None, [""]),
        (pictures, negative, []),
        (None, negative, []),
    ],
)
def test_features_are_compared_where_they_are_as_wide(inspect, further, names):
    of = row(inspect=inspect, further=further)
    with_program = flights.program_of(of)
    assert list(with_program.features) == names
    if not names:
        assert features(of, with_program, Wave(of.runs[:1], 1), {}) == {}


def scalars(params, model_state, batch):
    return {"features": batch["apex"][:, 0]}


def test_what_are_no_features_of_an_input_is_an_error_before_training():
    of = row(further=scalars)
    check_features(flights.program_of(of), [])  # nothing is left to train
    with pytest.raises(ValueError, match=r"'features', float32\[5\] of 5 clips"):
        check_features(flights.program_of(of), [Wave(of.runs[:1], 1)])


def test_an_input_that_is_none_is_an_error():
    (stage,) = row().system.stages
    stage = dataclasses.replace(stage, inspect_beside={"strangers": negative})
    system = dataclasses.replace(row().system, stages=(stage,))
    of = dataclasses.replace(row(), system=system)
    with pytest.raises(ValueError, match=r"\['strangers'\] .* inputs are \['others'\]"):
        _ = flights.program_of(of).features


def test_padding_rows_of_a_batch_are_not_among_them():
    """24 clips are whole batches of 8; 18 are not of 5."""
    with_program = program()
    wave = flights.wave(row(), ["smic/s06"])
    found = features(row(), with_program, wave, trained(with_program, [1]))
    assert found[INPUT].values["after"].shape == (1, 18, WIDE)
    assert jnp.isfinite(found[INPUT].values["after"]).all()
