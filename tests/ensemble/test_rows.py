"""Tests for mer_jax/ensemble/rows.py: the pools of stages, and which are shared."""

import dataclasses

import numpy as np
import pytest

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool, with_pools
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble import rows
from mer_jax.ensemble.rows import check_pools
from mer_jax.errors import UserError
from mer_jax.train.stage import Beside, Source
from tests import flights, toys

DUEL, RELAY = flights.row("duel"), flights.row("relay")
LABELS = Protocol(name="demo_macro3")


def pool(name, **changes):
    return Pool(name=name, data=Data(), **changes)


def with_stage(system, number, **changes):
    """The system with one of its stages changed."""
    stages = list(system.stages)
    stages[number] = dataclasses.replace(stages[number], **changes)
    return dataclasses.replace(system, stages=tuple(stages))


def test_systems_without_pools_need_none():
    check_pools(RELAY.system, ())
    check_pools(RELAY.system, (pool("unused"),))


def test_a_pool_that_is_missing_is_named_with_those_there_are():
    check_pools(DUEL.system, (pool("others", protocol=LABELS),))
    with pytest.raises(UserError) as error:
        check_pools(DUEL.system, (pool("other"), pool("extra")))
    text = str(error.value)
    assert "stage 'duel' of duel trains on pool 'others'" in text
    assert "the experiment's pools are ['extra', 'other']" in text
    assert "Add Pool(name='others', ...)" in text


def test_a_pool_whose_labels_are_asked_for_needs_a_protocol():
    with pytest.raises(UserError, match="pool 'others' and needs its labels"):
        check_pools(DUEL.system, (pool("others"),))
    blind = Beside(batch=5, pool="others", labelled=False)
    check_pools(with_stage(DUEL.system, 0, beside={"others": blind}), (pool("others"),))


@pytest.mark.parametrize("labelled", [True, False])
def test_the_source_of_a_stage_may_be_a_pool_too(labelled):
    source = Source(batch=8, pool="extra", labelled=labelled)
    system = with_stage(RELAY.system, 0, source=source)
    with pytest.raises(UserError, match="stage 'pretrain' of relay trains on pool"):
        check_pools(system, ())
    check_pools(system, (pool("extra", protocol=LABELS),))
    if not labelled:
        check_pools(system, (pool("extra"),))
        return
    with pytest.raises(UserError, match="needs its labels"):
        check_pools(system, (pool("extra"),))


def test_nothing_is_read_before_pools_are_checked(monkeypatch, tmp_path):
    monkeypatch.setattr(rows, "load", lambda *args, **more: pytest.fail("it was read"))
    bare = dataclasses.replace(DUEL.experiment, pools=())
    with pytest.raises(UserError, match="trains on pool 'others'"):
        rows.open_rows([bare], cache=tmp_path)


# Stages that are the same in every fold.


def beside(*scopes):
    """The relay: its first stage trains on one pool, beside it clips of others."""
    names = [f"pool{number}" for number in range(len(scopes))]
    system = with_stage(
        RELAY.system,
        0,
        source=Source(batch=8, pool=names[0]),
        beside={name: Beside(batch=2, pool=name) for name in names[1:]},
    )
    extra = toys.corpus(system.features, subjects={"zoo/1": 9, "zoo/2": 20}, seed=5)
    pools = tuple(
        (pool(name, scope=scope, protocol=LABELS), extra)
        for name, scope in zip(names, scopes, strict=True)
    )
    experiment = dataclasses.replace(RELAY.experiment, pools=tuple(p for p, _ in pools))
    return dataclasses.replace(
        RELAY,
        experiment=experiment,
        system=system,
        folds=with_pools(RELAY.folds, RELAY.corpus, pools),
        pools=pools,
    )


SHARED = {
    ("disjoint",): True,
    ("disjoint", "once_all"): True,
    ("disjoint", "others"): False,
    ("per_fold", "disjoint"): False,
    ("disjoint", "disjoint", "per_fold"): False,
}


@pytest.mark.parametrize("scopes", SHARED, ids="+".join)
def test_a_stage_is_shared_if_all_its_inputs_are(scopes):
    row, shared = beside(*scopes), SHARED[scopes]
    assert [stage.name for stage in row.shared_stages] == ["pretrain"] * shared
    assert [stage.name for stage in row.own_stages][-2:] == ["probe", "tune"]
    assert row.own_stages[0].name == ("probe" if shared else "pretrain")
    assert (row.shared_steps(0) > 0) == shared
    once = [told["once"] for told in row.manifest()["pools"]]
    assert once == [["pretrain"] if shared else []] * len(scopes)


def test_clips_of_the_fold_beside_a_shared_pool_are_the_folds_own():
    row = beside("disjoint")
    own = {"micro": Beside(batch=2, pool="")}
    system = with_stage(row.system, 0, beside=own)
    assert dataclasses.replace(row, system=system).shared_stages == ()


def test_an_epoch_is_a_pass_over_the_source_whatever_comes_beside():
    run, (stage,) = DUEL.runs[0], DUEL.system.stages
    steps = DUEL.epoch_steps(stage, run)
    assert steps == -(-len(run.fold.train) // 8)
    many = dataclasses.replace(
        stage, beside={"others": Beside(batch=99, pool="others")}
    )
    assert DUEL.epoch_steps(many, run) == steps


def test_labels_of_a_pool_with_a_protocol_are_among_the_resident():
    own = len(DUEL.corpus.keys)
    ((_, others),) = DUEL.pools
    assert DUEL.clips.keys == DUEL.corpus.keys + others.keys
    np.testing.assert_array_equal(DUEL.clips.labels[own:], others.labels)
