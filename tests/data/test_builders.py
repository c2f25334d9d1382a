"""Tests for mer_jax/data/builders.py."""

import pytest

from mer_jax.data.builders import full_name, names, twins
from mer_jax.errors import UserError


def test_unknown_corpora_and_configs_are_answered_with_those_there_are():
    with pytest.raises(UserError, match="no corpus 'casme9'; there are: casme2"):
        full_name("casme9")
    with pytest.raises(UserError, match="no config 'b'; it has: .*'clips'"):
        full_name("custom/b")
    assert full_name("custom") == "custom/clips"


def test_every_corpus_folder_is_found():
    assert {"casme2", "custom", "samm", "smic", "synthetic"} <= set(names())


def test_a_twin_is_written_by_whoever_has_a_fake_release():
    assert {"casme2", "custom", "samm", "smic"} <= set(twins()) < set(names())
