"""Tests for `mer export` as a user meets it."""

import json

from safetensors.numpy import load_file

from mer_jax.ensemble.ledger import Ledger


def fold_of(workdir):
    (row,) = Ledger(workdir).manifest()["rows"]
    return next(f for f in row["folds"] if Ledger(workdir).done(row["runs"][f"{f} 0"]))


def test_nets_of_a_fold_are_written_and_told(mer, workdir, tmp_path):
    fold = fold_of(workdir)
    words = ("export", "w", "nets.safetensors", "--fold", fold)
    text = mer(*words).stdout
    assert "nets.safetensors: ststnet_demo-smoke after stage" in text
    told = json.loads(mer(*words, "--json").stdout)
    assert (told["fold"], told["synthetic"]) == (fold, "yes")
    assert told["sha256"] in text
    leaves = load_file(tmp_path / "nets.safetensors")
    assert {name.split("/")[0] for name in leaves} == {"params", "model_state"}
    assert told["bytes"] == (tmp_path / "nets.safetensors").stat().st_size


def test_bad_choices_are_one_clear_message(mer, workdir):
    done = mer("export", "w", "nets.safetensors", check=False)
    assert done.returncode == 1 and "Choose --fold and --seed among" in done.stderr
    done = mer("export", "w", "nets.safetensors", "--stage", "x", check=False)
    assert done.returncode == 1 and "no nets after stage 'x'" in done.stderr
    done = mer("export", ".", "nets.safetensors", check=False)
    assert done.returncode == 1 and "no readable manifest.json" in done.stderr


def test_help_tells_how_such_a_file_is_used(mer):
    text = " ".join(mer("export", "--help").stdout.split())
    assert "system.init_weights" in text
    for option in ("--row", "--stage", "--fold", "--seed", "--json"):
        assert option in text
