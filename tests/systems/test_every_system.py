"""What every system must be able to do, published or toy; a new folder joins by itself.

A published system is taken at its `tiny()` size, on made clips of three classes.
Compiling is what costs: where one system is proof enough of the engine, the others
are marked slow.
"""

import dataclasses
import itertools
import json
import re

import jax
import numpy as np
import pytest

from mer_jax.data.clips import gather_inputs
from mer_jax.data.pools import resident_arrays
from mer_jax.ensemble.feed import FrameFeed
from mer_jax.ensemble.lift import put, replicate
from mer_jax.ensemble.listener import Hooks, Interrupted
from mer_jax.ensemble.program import Layout
from mer_jax.train.step import train_step
from tests import flights, toys
from tests.systems import golden_step

FOUR, TWO_BY_TWO = Layout(devices=4), Layout(devices=2, lanes=2)
PMAP, PMAP_TWO_BY_TWO = (
    dataclasses.replace(x, spmd="pmap") for x in (FOUR, TWO_BY_TWO)
)
LANES = Layout(devices=1, lanes=4)
BY_DEFAULT = (FOUR, PMAP)
# One device and several compile to different programs. Most systems give the same
# bits in both; these round differently and are held equal in float64 only.
ROUNDED_BY_DEVICES = {"ststnet", "menet", "minet"}

# Compiling these takes as long as three others: `relay` has three stages, `moext` the
# nets of two, `minet` both; `menet`, with two 3D nets in four stages, and `mfvan`, with
# six nets in three, as long as ten.
LIGHT = [name for name in flights.SYSTEMS if name not in ("menet", "mfvan")]
CHEAP = [name for name in LIGHT if name not in ("relay", "moext", "minet")]


def systems(default):
    """Parameters: every system, those not in `default` only with -m slow."""
    slow = lambda name: () if name in default else pytest.mark.slow
    return [pytest.param(name, marks=slow(name)) for name in flights.SYSTEMS]


PROOF = [name for name in flights.PUBLISHED if name in CHEAP]  # of many programs

every_system = pytest.mark.parametrize("name", systems(flights.SYSTEMS))
every_light_system = pytest.mark.parametrize("name", systems(LIGHT))
every_cheap_system = pytest.mark.parametrize("name", systems(CHEAP))
every_published_system = pytest.mark.parametrize(
    "name", [p for p in systems(PROOF) if p.values[0] in flights.PUBLISHED]
)


def every_system_on(*layouts, default=CHEAP, by_default=BY_DEFAULT):
    """Systems times layouts; those of both defaults also without -m slow."""
    return pytest.mark.parametrize(
        ("name", "layout"),
        [
            pytest.param(
                name,
                layout,
                marks=()
                if name in default and layout in by_default
                else pytest.mark.slow,
                id=f"{name}-{layout.devices}x{layout.lanes}-{layout.spmd}",
            )
            for name, layout in itertools.product(flights.SYSTEMS, layouts)
        ],
    )


@pytest.fixture(scope="module")
def alone():
    """Trained runs by (system, fold), each on one device by itself; trained once."""
    cache = {}

    def get(name, fold):
        if (name, fold) not in cache:
            landed = flights.land(flights.row(name), flights.program(name), [fold])
            cache[name, fold] = flights.lane(landed, 0)
        return cache[name, fold]

    return get


@pytest.fixture(scope="module")
def alone_in_float64():
    """The same in float64, 21 steps a stage; for use under `jax.enable_x64`."""
    cache = {}

    def get(name, fold):
        if (name, fold) not in cache:
            row, program = flights.row(name, x64=True), flights.program(name, x64=True)
            cache[name, fold] = flights.lane(flights.land(row, program, [fold]), 0)
        return cache[name, fold]

    return get


@pytest.fixture
def by_hand(tmp_path):
    """Trains one fold step by step and tells the states before and after each stage."""

    def train(name, fold, epochs=2):
        row, program = flights.row(name), flights.program(name)
        runner = flights.runner(row, program, [fold], tmp_path / "wave")
        finished, told = {}, {}
        for stage in runner.stages:
            state = flights.enter(runner, stage.name, finished)
            before, rows = flights.host(state), runner.indices[stage.name][0]
            losses = []
            for t in range(epochs * rows.shape[1]):
                epoch, step = divmod(t, rows.shape[1])
                index = rows[epoch % len(rows), step]
                state, metrics = flights.advance(runner, stage.name, state, index[None])
                losses.append(jax.device_get(metrics))
            finished[stage.name] = state.params, state.model_state
            told[stage.name] = before, flights.host(state), losses
        return told

    return train


# One step.


@every_cheap_system  # of the others, in default runs, tests of parity with PyTorch
def test_one_step_gives_the_golden_numbers(name):
    golden = json.loads(golden_step.FILE.read_text())
    assert name in golden["systems"], (
        "not recorded yet: see tests/systems/golden_step.py"
    )
    measured = golden_step.measure(name)
    for (stage, update, number), value in flatten_twice(measured):
        expected = golden["systems"][name][stage][update][number]
        # One ReLU on the other side of zero moves the gradient of a tiny net by 1 %.
        tolerance = 0.03 if number == "gradient_norm" else 1e-4
        assert value == pytest.approx(expected, rel=tolerance), (
            f"{stage}/{update}/{number}: {golden['what to do']}"
        )
    assert [k for k, _ in flatten_twice(measured)] == [
        k for k, _ in flatten_twice(golden["systems"][name])
    ]


def flatten_twice(numbers):
    """[((stage, update, number), value)]."""
    return [
        ((stage, update, number), value)
        for stage, updates in numbers.items()
        for update, values in updates.items()
        for number, value in values.items()
    ]


@pytest.mark.parametrize("name", flights.PUBLISHED)
def test_what_it_sees_in_clips_can_be_probed(name):
    assert "" in flights.program(name).features


@every_cheap_system
def test_padding_rows_change_no_bit_whatever_they_hold(name):
    row = flights.row(name)
    states = golden_step.first_states(name)
    for stage in row.system.stages:
        step = golden_step.jitted(name, stage.name)
        index = np.where(np.arange(stage.rows) % 3 == 1, -1, 5)
        batch = flights.batch_of(row.clips, index, stage)
        filled = flights.batch_of(row.clips, np.where(index < 0, 9, index), stage)
        filled = flights.with_masks(filled, batch)
        clean, soiled = (step(states[stage.name], b) for b in (batch, filled))
        assert not flights.differing(flights.host(clean), flights.host(soiled))
        visible = flights.with_masks(filled, None)
        seen = step(states[stage.name], visible)
        assert flights.differing(flights.host(clean), flights.host(seen))


@every_light_system
def test_the_step_of_every_stage_lowers_for_tpu_and_gpu(name):
    row, program = flights.row(name), flights.program(name)
    for stage in row.system.stages:
        of_frames = stage.source.of == "frames"
        step = lambda state, rows, clips, stage=stage, made=of_frames: train_step(
            stage, state, rows if made else gather_inputs(clips, rows, stage.inputs)
        )
        one = lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype)
        state = jax.tree.map(one, program.abstract_state(stage.name))
        rows = jax.tree.map(one, program.abstract_rows(stage.name))
        clips = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), program.clips
        )
        export = jax.export.export(jax.jit(step), platforms=("tpu", "cuda"))
        exported = export(state, rows, clips)
        assert exported.platforms == ("tpu", "cuda")
        assert len(exported.out_avals) > len(jax.tree.leaves(state))


# One run.


@every_cheap_system
def test_a_fold_alone_is_the_fold_in_the_queue_bitwise(name, alone):
    row, program = flights.row(name), flights.program(name)
    folds = flights.folds_of(row)
    expected = alone(name, folds[2])  # before any other, unless a test came between
    queue = {fold: flights.land(row, program, [fold]) for fold in folds}
    assert not flights.differing(expected, flights.lane(queue[folds[2]], 0))
    keys = {landed["state/key"].tobytes() for landed in queue.values()}
    assert len(keys) == len(folds)


def soil(patch, row, program, clips, **more):
    """Puts garbage on the devices, in the features and frames of some clips."""
    soiled = {**resident_arrays(row.clips), **toys.garbage(row.clips, clips), **more}
    patch.setattr(program, "clips", replicate(program.mesh, soiled))
    if row.clips.frames is not None:
        bad = dataclasses.replace(
            row.clips, labels=soiled["label"], frames=toys.soiled(row.clips, clips)
        )
        feed = FrameFeed(bad, program.mesh, program._lift, "auto")
        patch.setattr(program, "feed", feed)


@every_light_system
def test_held_out_clips_leave_no_bit_in_the_trained_state(name, by_hand, monkeypatch):
    row, program = flights.row(name), flights.program(name)
    for fold in (row.folds[0], row.folds[-1]):  # the first clip is in the first fold
        clean = by_hand(name, fold.name)
        labels = row.clips.labels.copy()
        labels[fold.test] = len(toys.CLASSES) - 1 - labels[fold.test]
        with monkeypatch.context() as patch:
            soil(patch, row, program, fold.test, label=labels)
            for stage, (before, after, _) in by_hand(name, fold.name).items():
                assert not flights.differing(clean[stage][0], before)
                assert not flights.differing(clean[stage][1], after)


@every_light_system
def test_a_training_clip_does_leave_its_mark(name, by_hand, monkeypatch):
    """The test above can fail: the same garbage in one training clip shows."""
    row, program = flights.row(name), flights.program(name)
    fold = row.folds[0]
    clean = by_hand(name, fold.name)
    for stage in row.system.stages:
        clip = fold.clips(stage.source.pool)[:1]
        with monkeypatch.context() as patch:
            soil(patch, row, program, clip)
            _, after, _ = by_hand(name, fold.name)[stage.name]
        assert flights.differing(clean[stage.name][1], after)


@every_light_system
def test_only_trained_leaves_and_their_statistics_move(name, by_hand):
    row = flights.row(name)
    told = by_hand(name, row.folds[0].name)
    for stage in row.system.stages:
        before, after, _ = told[stage.name]
        arrived = {net for transfer in stage.init_from for net in transfer.nets}
        changed = {d.split(":")[0] for d in flights.differing(before, after)}
        trained = re.compile("|".join(f"({u.trains})" for u in stage.updates))
        leaves = [k.removeprefix("params/") for k in before if k.startswith("params/")]
        moving = {leaf for leaf in leaves if trained.fullmatch(leaf)}
        assert {f"params/{leaf}" for leaf in moving} <= changed
        for leaf in set(leaves) - moving:
            assert f"params/{leaf}" not in changed
            assert leaf.split("/")[0] in arrived, f"{leaf}: neither trained nor given"
        live = {leaf.split("/")[0] for leaf in moving}
        for path in changed:
            if path.startswith("model_state/"):
                assert path.split("/")[1] in live, f"{path} of a frozen net moved"


@every_light_system
def test_training_lowers_the_training_loss(name, by_hand):
    row = flights.row(name)
    *_, last = by_hand(name, row.folds[0].name, epochs=30).values()
    losses = last[2]
    metric = f"{row.system.stages[-1].updates[-1].name}/loss"
    first, final = (
        np.mean([step[metric] for step in steps]) for steps in (losses[:6], losses[-6:])
    )
    assert final < first


@every_system
def test_the_held_out_subject_is_in_no_training_batch(name, tmp_path):
    row, program = flights.row(name), flights.program(name)
    subjects = np.array([key.rsplit("/", 1)[0] for key in row.clips.keys])
    sample = np.arange(len(subjects)) < len(row.corpus.keys)
    for fold in (*row.folds, *row.inner_folds):
        runner = flights.runner(row, program, [fold.name], tmp_path / "wave")
        tested = set(subjects[runner.test[0][runner.test[0] >= 0]])
        # Of an inner fold, whom it leaves out, and who is tested in the other.
        away = np.isin(subjects, sorted({*tested, fold.inside or fold.name}))
        assert len(set(subjects[away])) == (2 if fold.inside else 1)
        assert len(tested) == 1 and fold.inside not in tested
        for stage in runner.stages:
            (index,) = runner.indices[stage.name]
            own, other = np.split(index, [stage.source.batch], axis=-1)
            owner = np.arange(len(subjects))
            if stage.source.of == "frames":
                owner = row.clips.frames.owner
            for epoch in own:
                clips = epoch[epoch >= 0]
                assert not away[owner[clips]].any()
                wanted = ~sample if stage.source.pool else sample & ~away
                wanted = wanted[owner]
                np.testing.assert_array_equal(np.sort(clips), np.flatnonzero(wanted))
            assert not sample[other[other >= 0]].any()


# Interruptions.


def land_in_pieces(row, program, folds, directory, pieces):
    """Trains with a stop after so many steps, again and again, by fresh runners."""
    for piece in pieces:
        counter = itertools.count(1)
        hooks = Hooks(stop=lambda count=counter, piece=piece: next(count) >= piece)
        with pytest.raises(Interrupted):
            flights.runner(row, program, folds, directory).run(hooks)
    return flights.land(row, program, folds, directory)


@every_cheap_system
def test_a_run_interrupted_after_every_step_is_the_same_bitwise(name, alone, tmp_path):
    row, program = flights.row(name), flights.program(name)
    fold = flights.folds_of(row, steps=3)[0]
    total = flights.total_steps(row, fold)
    resumed = land_in_pieces(row, program, [fold], tmp_path / "w", [1] * (total - 1))
    assert not flights.differing(alone(name, fold), flights.lane(resumed, 0))


@every_system_on(FOUR, PMAP, TWO_BY_TWO, PMAP_TWO_BY_TWO, by_default=(FOUR,))
def test_a_wave_interrupted_in_the_middle_is_the_same_bitwise(name, layout, tmp_path):
    row, program = flights.row(name), flights.program(name, layout)
    folds = flights.folds_of(row, steps=3)[:4]
    through = flights.land(row, program, folds)
    total = flights.total_steps(row, folds[0])
    pieces = [2, total // 2 - 1]  # in the first stage, and past the middle
    resumed = land_in_pieces(row, program, folds, tmp_path / "wave", pieces)
    assert not flights.differing(through, resumed)


@pytest.mark.slow
@pytest.mark.parametrize("after", [TWO_BY_TWO, PMAP, LANES], ids=str)
def test_an_interrupted_wave_goes_on_on_other_devices(after, tmp_path):
    with jax.enable_x64(True):
        row = flights.row("duel", x64=True)
        folds = flights.folds_of(row, steps=3)[:4]
        before = flights.program("duel", FOUR, x64=True)
        through = flights.land(row, before, folds)
        with pytest.raises(Interrupted):
            counter = itertools.count(1)
            hooks = Hooks(stop=lambda: next(counter) >= 5)
            flights.runner(row, before, folds, tmp_path / "wave").run(hooks)
        other = flights.program("duel", after, x64=True)
        resumed = flights.land(row, other, folds, tmp_path / "wave")
        flights.assert_close(through, resumed, 1e-6)


# Several runs.


@every_cheap_system
def test_four_devices_train_what_one_does_bitwise(name, alone):
    row = flights.row(name)
    folds = flights.folds_of(row, steps=3)[:4]
    together = flights.land(row, flights.program(name, FOUR), folds)
    differing = [
        flights.differing(alone(name, fold), flights.lane(together, number))
        for number, fold in enumerate(folds)
    ]
    assert name in ROUNDED_BY_DEVICES or not any(differing), differing


@every_system_on(Layout(devices=2))
def test_the_number_of_devices_from_two_on_changes_no_bit(name, layout):
    row = flights.row(name)
    folds = flights.folds_of(row, steps=3)[:4]
    four = flights.land(row, flights.program(name, FOUR), folds)
    program = flights.program(name, layout)
    for start in range(0, 4, program.width):
        some = flights.land(row, program, folds[start : start + program.width])
        for number in range(program.width):
            expected = flights.lane(four, start + number)
            assert not flights.differing(expected, flights.lane(some, number))


@every_system_on(TWO_BY_TWO)
def test_neighbours_and_the_place_among_them_change_no_bit(name, layout):
    row, program = flights.row(name), flights.program(name, layout)
    a, b, c, d = flights.folds_of(row, steps=3)[:4]
    expected = flights.lane(flights.land(row, program, [a, b, c, d]), 0)
    for folds in ([a, a, a, a], [d, a, c, b], [b, c, d, a]):
        landed = flights.land(row, program, folds)
        found = flights.lane(landed, folds.index(a))
        assert not flights.differing(expected, found), folds


@every_system_on(Layout(devices=1, lanes=2), LANES, FOUR, default=PROOF)
def test_lanes_and_devices_agree_in_float64(name, layout, alone_in_float64):
    with jax.enable_x64(True):
        row = flights.row(name, x64=True)
        program = flights.program(name, layout, x64=True)
        folds = flights.folds_of(row, steps=3)[: program.width]
        together = flights.land(row, program, folds)
        for number, fold in enumerate(folds):
            found = flights.lane(together, number)
            assert found["state/step"] >= 20
            flights.assert_close(alone_in_float64(name, fold), found, 1e-6)


@every_published_system
def test_runs_of_unequal_length_share_a_wave(name, alone_in_float64):
    with jax.enable_x64(True):
        row = flights.row(name, x64=True)
        program = flights.program(name, LANES, x64=True)
        short, *long = flights.folds_of(row, 2)[:1] + flights.folds_of(row, 3)[:3]
        together = flights.land(row, program, [long[0], short, *long[1:]])
        for number, fold in zip((0, 2, 3), long, strict=True):
            found = flights.lane(together, number)
            flights.assert_close(alone_in_float64(name, fold), found, 1e-6)
        waited, alone = flights.lane(together, 1), alone_in_float64(name, short)
        for stage in row.system.stages:
            epochs, metrics = stage.num_epochs, f"metrics/{stage.name}"
            own = alone[metrics].reshape(epochs, -1, alone[metrics].shape[-1])
            table = waited.pop(metrics).reshape(epochs, -1, own.shape[-1])
            np.testing.assert_allclose(table[:, : own.shape[1]], own, atol=1e-6)
            assert not table[:, own.shape[1] :].any()
        assert table.shape[1] == 3 and own.shape[1] == 2  # of the last stage
        flights.assert_close({k: alone[k] for k in waited}, waited, 1e-6)


@every_published_system
def test_a_waiting_run_does_not_move_a_bit(name, tmp_path):
    with jax.enable_x64(True):
        row = flights.row(name, x64=True)
        program = flights.program(name, LANES, x64=True)
        folds = flights.folds_of(row, steps=3)[:4]
        runner = flights.runner(row, program, folds, tmp_path / "wave")
        finished = {}
        for stage in runner.stages:
            state = flights.enter(runner, stage.name, finished)
            before = flights.host(state)
            rows = np.stack([index[0, 0] for index in runner.indices[stage.name]])
            rows[:2] = -1
            step = program.step(stage.name, True)
            remembered = program.remembered(stage.name, state)
            rows = flights.rows_of(program, stage.name, rows)
            state, metrics = step(state, rows, program.clips, remembered)
            after = flights.host(state)
            for number, waits in enumerate((True, True, False, False)):
                moved = flights.differing(
                    flights.lane(before, number), flights.lane(after, number)
                )
                assert not (waits and moved)
                assert waits or any(path.startswith("params/") for path in moved)
            for values in metrics.values():
                assert not values[:2].any() and np.isfinite(values).all()
            finished[stage.name] = state.params, state.model_state


# The compiled program.


@every_system_on(PMAP, PMAP_TWO_BY_TWO)
def test_pmap_is_shard_map_bitwise(name, layout):
    row = flights.row(name)
    folds = flights.folds_of(row, steps=3)[:4]
    shard_map, pmap = (
        flights.land(row, flights.program(name, twin), folds)
        for twin in (dataclasses.replace(layout, spmd="shard_map"), layout)
    )
    assert not flights.differing(shard_map, pmap)


@every_system_on(FOUR, PMAP, TWO_BY_TWO, PMAP_TWO_BY_TWO)
def test_the_program_holds_no_collective(name, layout, tmp_path):
    row, program = flights.row(name), flights.program(name, layout)
    folds = flights.folds_of(row, steps=3)[:4]
    runner = flights.runner(row, program, folds, tmp_path / "wave")
    finished = {}
    for stage in runner.stages:
        state = flights.enter(runner, stage.name, finished)
        rows = np.stack([index[0, 0] for index in runner.indices[stage.name]])
        remembered = program.remembered(stage.name, state)
        rows = flights.rows_of(program, stage.name, rows)
        arguments = state, rows, program.clips, remembered
        lowered = program.step(stage.name, False).lower(*arguments)
        text = lowered.compile().as_text()
        assert not flights.COLLECTIVES.findall(text)
        assert len(text) > 10_000
        finished[stage.name] = state.params, state.model_state
    lowered = program.predict.lower(
        state.params, state.model_state, put(program.mesh, runner.test), program.clips
    )
    assert not flights.COLLECTIVES.findall(lowered.compile().as_text())


def test_a_collective_would_be_found():
    mesh = flights.program("duel", FOUR).mesh
    total = jax.shard_map(
        lambda x: jax.lax.psum(x, "run"),
        mesh=mesh,
        in_specs=jax.P("run"),
        out_specs=jax.P(),
    )
    text = jax.jit(total).lower(np.zeros(4, np.float32)).compile().as_text()
    assert flights.COLLECTIVES.findall(text)


@every_light_system
def test_each_stage_is_traced_once_for_all_folds(name):
    row, program = flights.row(name), flights.program(name)
    folds = flights.folds_of(row)
    assert {row.steps(run) for run in row.runs} == {2, 3}  # of unlike length, too
    flights.land(row, program, folds[:1])
    before = dict(flights.TRACES)
    for fold in folds[1:]:
        flights.land(row, program, [fold])
    assert before == flights.TRACES
    assert all(flights.TRACES[name, stage.name] for stage in row.system.stages)
