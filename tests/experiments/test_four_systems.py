"""Tests for experiments/four_systems_*.py: one protocol, every system, equal rules."""

import pytest

from mer_jax.cli import files
from mer_jax.ensemble.rows import check_pools
from tests.flights import PUBLISHED


@pytest.fixture(params=["four_systems_cde3", "four_systems_demo"])
def rows(request):
    return files.read(request.param)


def test_every_row_is_another_system_and_the_baseline_is_the_first(rows):
    names = [row.name for row in rows]
    assert len({*names}) == len(names) == 5 and {*names} <= {*PUBLISHED}
    assert names[0] == "ststnet"
    for row in rows:
        assert row.system.build(3, 68).name == row.name


def test_rows_share_clips_folds_seeds_and_looks(rows):
    alike = {
        (row.protocol, row.data.corpora, row.data.apex, row.seeds, row.eval_every)
        for row in rows
    }
    assert len(alike) == 1


def test_stages_have_the_pools_that_they_train_on_and_nobody_leaks(rows):
    for row in rows:
        system = row.system.build(3, 68)
        check_pools(system, row.pools)
        named = {pool for stage in system.stages for pool in stage.pools} - {""}
        assert named == {pool.name for pool in row.pools}
        assert not row.protocol.leak and not any(pool.leak for pool in row.pools)


def test_systems_have_their_defaults_on_the_composite():
    for row in files.read("four_systems_cde3"):
        assert row.system == type(row.system)()


def test_systems_of_the_demo_are_small():
    for row in files.read("four_systems_demo"):
        shapes = [spec.shape for spec in row.system.build(3, 68).features.values()]
        assert max(max(shape) for shape in shapes) <= 52  # 48, and a margin to crop
