"""Damaged releases give correct records or clear errors, whatever was done to them.

`python -m tests.hostile --only 17` shows what came of one mutant.
"""

import collections
import random
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from datasets_tfds.record import ReleaseError
from tests.hostile import campaign, on_tables
from tests.hostile.judge import CLEAR, CORRECT, FAULTS, verdict
from tests.hostile.scene import Scene

MUTANTS = 120


@pytest.fixture(scope="module")
def mutants(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with campaign.Campaign(folder) as made:
        yield made


def faults(cases):
    return [str(case) for case in cases if case.outcome in FAULTS]


def test_every_corpus_with_a_twin_is_damaged(mutants):
    corpora = {name.split("/")[0] for name in mutants.worlds.names}
    assert corpora == mutants.worlds.builders.keys() and len(corpora) > 7


def test_an_undamaged_twin_is_correct(mutants):
    for name in mutants.worlds.names:
        assert mutants.case(0, (lambda scene: None,), name, only=True)[3:] == (
            CORRECT,
            "",
        )


def test_mutants_give_correct_records_or_clear_errors(mutants):
    cases = list(mutants.run(range(MUTANTS)))
    print(campaign.tally(cases))
    assert not faults(cases)
    seen = collections.Counter(step for case in cases for step in case.steps)
    assert len(seen) > 0.8 * len(campaign.MUTATIONS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_many_mutants_give_correct_records_or_clear_errors(seed, tmp_path):
    with campaign.Campaign(tmp_path, seed) as made:
        cases = list(made.run(range(200)))
    print(campaign.tally(cases))
    assert not faults(cases)


class Spoilt:
    """A builder that does something wrong with what another one gives."""

    def __init__(self, builder, spoil):
        self.builder, self.spoil, self.info = builder, spoil, builder.info

    def _split_generators(self, manager):
        clips = dict(self.builder._split_generators(manager)["clips"])
        self.spoil(clips, Path(manager.manual_dir))
        return {"clips": clips.items()}


def relabel(clips, root):
    next(iter(clips.values()))["annotated"]["emotion"] = "boredom"


def mix_up(clips, root):
    one, two, *_ = clips.values()
    one["frames"], two["frames"] = two["frames"], one["frames"]


def look_elsewhere(clips, root):
    root.with_name("outside").joinpath("canary.txt").read_bytes()


def tell_nothing(clips, root):
    raise ReleaseError("something is wrong")


def break_down(clips, root):
    raise KeyError("frames")


def drop(clips, root):
    clips.popitem()


@pytest.mark.parametrize(
    ("spoil", "outcome"),
    [
        (relabel, "wrong label"),
        (mix_up, "wrong label"),
        (look_elsewhere, "outside read"),
        (tell_nothing, "unclear error"),
        (break_down, "crash"),
        (drop, "silent loss"),
    ],
)
@pytest.mark.parametrize("name", ["custom/clips", "samm/full", "smic/hs"])
def test_the_judge_finds_what_a_builder_does_wrong(name, spoil, outcome, mutants):
    world = mutants.worlds.world(name)
    spoilt = world._replace(builder=Spoilt(world.builder, spoil))
    scene = Scene(world.root, world.outside, random.Random(0))
    assert verdict(spoilt, scene)[0] == outcome


slowly = settings(
    max_examples=12,
    phases=(Phase.generate,),  # a smaller example is not worth the time
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
# Neither of null, that ends names, nor of half a character.
names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1)


@slowly
@given(name=names, number=st.integers(0, 99))
def test_any_name_of_a_file_or_folder(mutants, name, number):
    def rename(scene):
        path = scene.pick([scene.leaf(), *scene.files(".xlsx", ".csv"), scene.frame()])
        scene.move(path, path.with_name(name))

    case = mutants.case(number, (rename,), only=True)
    assert case.outcome in (CORRECT, CLEAR), case


@slowly
@given(value=st.one_of(names, st.integers(), st.floats(), st.booleans()))
def test_any_value_of_a_cell(mutants, value):
    def put(scene):
        table = on_tables.grid(scene)
        row, column = scene.pick(table.body), scene.pick(table.columns())
        on_tables.put(scene, table, row, column, value)
        table.save()

    for world in ("custom/clips", "samm/full"):
        case = mutants.case(
            zlib.crc32(str(value).encode()) % 99, (put,), world, only=True
        )
        assert case.outcome in (CORRECT, CLEAR), case
