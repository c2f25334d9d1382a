"""Tests for the command line as a user meets it."""

import json

import pytest

SMOKE = ("ststnet_demo", "--smoke", "--devices", "1", "--workdir", "w")


def test_smoke_trains_and_reports_a_stamped_incomplete_score(mer, tmp_path):
    done = mer("run", *SMOKE)
    assert "SYNTHETIC" in done.stdout and "INCOMPLETE" in done.stdout
    assert "2 runs, 0 done already" in done.stderr
    for name in ("report.md", "report.csv", "report.json"):
        assert "SYNTHETIC" in (tmp_path / "w" / "report" / name).read_text()


def test_a_second_call_finds_all_done_and_reports_the_same(mer, workdir):
    again = mer("run", *SMOKE, "--json")
    assert "2 runs, 2 done already" in again.stderr
    result = json.loads(again.stdout)["results"][0]
    assert 0 <= result["uf1"] <= 1 and 0 <= result["uar"] <= 1
    assert result["synthetic"] and not result["complete"]
    status = json.loads(mer("status", "w", "--json").stdout)
    assert status["rows"][0]["done"] == 2 and status["waves in flight"] == 0
    assert json.loads(mer("report", "w", "--json").stdout)["results"][0] == result


def test_another_configuration_does_not_touch_a_workdir(mer, workdir):
    before = (workdir / "manifest.json").read_bytes()
    refused = mer("run", *SMOKE, "--set", "system.dropout=0.25", check=False)
    assert refused.returncode == 1
    assert "settings.system.dropout: there 0.5, here 0.25" in refused.stderr
    assert (workdir / "manifest.json").read_bytes() == before


def test_more_seeds_join_the_runs_of_a_workdir(mer, workdir):
    more = mer("run", *SMOKE, "--seeds", "0,1", "--json")
    assert "4 runs, 2 done already" in more.stderr
    assert json.loads(more.stdout)["results"][0]["per_seed"][1]["seed"] == 1


def test_inner_validation_joins_the_runs_of_a_workdir(mer, workdir):
    files = [*workdir.glob("runs/*/*.npz"), *workdir.glob("params/*/*.npz")]
    before = {path: path.read_bytes() for path in files}
    planned = json.loads(mer("plan", *SMOKE, "--inner-val", "--json").stdout)[0]
    assert [planned[n] for n in ("runs", "inner", "done", "waves")] == [4, 2, 2, 2]
    done = mer("run", *SMOKE, "--inner-val", "--json")
    assert "4 runs (half of them inner runs), 2 done already" in done.stderr
    assert {path: path.read_bytes() for path in files} == before
    (result,) = json.loads(done.stdout)["results"]
    assert [rung["name"] for rung in result["ladder"][:2]] == ["last", "inner_val"]
    assert result["inner_validation"]["missing"] == 0
    again = mer("run", *SMOKE, "--json")  # without them, they remain
    assert "2 runs, 2 done already" in again.stderr
    assert json.loads(again.stdout)["results"] == [result]
    assert "inner validation: 2 of 6 inner runs done" in mer("status", "w").stdout
    (row,) = json.loads(mer("status", "w", "--json").stdout)["rows"]
    assert (row["done"], row["inner done"], row["inner runs"]) == (2, 2, 6)


def test_a_sweep_is_one_report_of_several_rows(mer):
    done = mer("run", *SMOKE, "--set", "system.order=label,shuffled", "--json")
    assert "ststnet_demo-smoke[system.order=label]: 24 clips" in done.stderr
    names = [row["name"] for row in json.loads(done.stdout)["results"]]
    assert names == [
        "ststnet_demo-smoke[system.order=label]",
        "ststnet_demo-smoke[system.order=shuffled]",
    ]


def test_plan_counts_and_trains_nothing(mer, tmp_path):
    (plan,) = json.loads(mer("plan", *SMOKE, "--json").stdout)
    assert (plan["runs"], plan["done"], plan["waves"], plan["folds"]) == (2, 0, 2, 6)
    assert plan["flops"] > 0 and plan["state_bytes"] > 0
    assert not (tmp_path / "w").exists()
    text = mer("plan", *SMOKE, "--tflops", 2).stdout
    assert "alone at 2000 GFLOP/s, as stated" in text and "MFLOP a step" in text
    (stated,) = json.loads(mer("plan", *SMOKE, "--tflops", 2, "--json").stdout)
    assert stated["floor_seconds"] == pytest.approx(stated["flops"] / 2e12)


def test_several_devices_and_lanes_run_and_pad(mer):
    smoke = ("ststnet_demo", "--smoke", "--workdir", "w")
    words = (*smoke, "--devices", 2, "--lanes", 2, "--spmd", "pmap")
    (before,) = json.loads(mer("plan", *words, "--json").stdout)
    assert (before["width"], before["waves"], before["padding"]) == (4, 1, 2)
    mer("run", *words)
    (after,) = json.loads(mer("plan", *words, "--json").stdout)
    assert (after["done"], after["waves"]) == (2, 0)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("run", "nonsense"), "no experiment 'nonsense'"),
        (("run", *SMOKE, "--set", "system.epoch=3"), "it has: size, filters"),
        (("run", "ststnet_demo", "--devices", "9"), "4 cpu device(s)"),
        (("run", *SMOKE, "--lanes", "0"), "--lanes must be 1 or more"),
        (("plan", *SMOKE, "--tflops", "0"), "--tflops must be above 0"),
        (("run", *SMOKE, "--seeds", "0,0"), "different integers"),
        (("run", *SMOKE, "--seeds", "a"), "--seeds a: expected different integers"),
        (("run", *SMOKE, "--seeds", "-1"), "different integers from 0"),
        (("run", *SMOKE, "--folds", "nobody"), "no fold nobody"),
        (("run", *SMOKE, "--keep-params", "some"), "auto, all, none or a number"),
        (("run", *SMOKE, "--set", "data.corpora=nothing"), "no corpus 'nothing'"),
        (("run", *SMOKE, "--set", "data.corpora=synthetic/big"), "no config 'big'"),
        (("run", "ststnet_cde3", "--workdir", "w"), "--set data.release=DIR"),
        (("run", *SMOKE, "--set", "eval_every=0"), "eval_every must be 1 or more"),
        (("run", *SMOKE, "--set", "system.size=1.5"), "expected int"),
        (("run", *SMOKE, "--set", "system.learning_rate=1e38"), "not finite in stage"),
        (("status", "."), "no readable manifest.json"),
        (("report", "."), "no readable manifest.json"),
    ],
)
def test_bad_input_is_one_clear_message(mer, words, expected):
    done = mer(*words, check=False)
    assert done.returncode == 1
    assert expected in done.stderr


def test_a_report_of_nothing_finished_says_so(mer, tmp_path):
    mer("run", *SMOKE, "--set", "system.learning_rate=1e38", check=False)
    done = mer("report", "w", check=False)
    assert done.returncode == 1 and "no run of" in done.stderr


def test_a_broken_run_is_an_error_not_a_row_left_out(mer, workdir):
    broken = sorted(workdir.glob("runs/*/*.npz"))[0]
    broken.write_bytes(broken.read_bytes()[:100])
    done = mer("report", "w", check=False)
    assert done.returncode == 1 and broken.name in done.stderr


def test_list_names_experiments_and_corpora(mer):
    text = mer("list").stdout
    assert "ststnet_cde3" in text and "synthetic" in text and "megc2019_flow" in text


def test_help_explains_every_option(mer):
    text = mer("run", "--help").stdout
    options = ("--set", "--seeds", "--devices", "--lanes", "--workdir", "--smoke")
    for option in (*options, "--inner-val"):
        assert option in text
