"""Tests for mer_jax/ensemble/provenance.py."""

import json
import os

import mer_jax
from mer_jax.ensemble import provenance as module
from mer_jax.ensemble.program import Layout
from mer_jax.ensemble.provenance import computed, provenance
from tests import flights


def test_provenance_of_a_program_names_versions_and_layout():
    layout = Layout(devices=1, lanes=4, formulation=(("conv", "cpu"),))
    program = flights.program_of(flights.row("duel"), layout)
    told = provenance(program)
    assert told["versions"].keys() >= {"mer_jax", "python", "jax", "flax", "numpy"}
    assert (told["devices"], told["lanes"], told["spmd"]) == (1, 4, "shard_map")
    assert told["backend"] == "cpu" and told["formulation"] == {"conv": "cpu"}
    assert computed(program).items() <= told.items()
    assert told.keys() - computed(program).keys() == {"commit", "host"}
    assert json.loads(json.dumps(computed(program))) == computed(program)
    assert told["xla flags"] == os.environ["XLA_FLAGS"] != ""


def test_an_installed_package_has_no_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(mer_jax, "__file__", str(tmp_path / "mer_jax" / "__init__.py"))
    assert module._commit() is None
