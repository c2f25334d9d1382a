"""Tests for mer_jax/data/selection.py: what counts, what is told, what is refused."""

import pytest

from mer_jax.data.protocols import Protocol
from mer_jax.data.selection import check_configs, select
from mer_jax.errors import UserError

TOML = """
version = 1
about = "two classes"
classes = ["calm", "cross"]
[corpora.lab]
configs = ["good"]
subjects = 2
counts = [2, 2]
[corpora.lab.labels]
calm = ["happiness"]
cross = ["anger", "fear"]
"""


@pytest.fixture
def protocol(tmp_path):
    path = tmp_path / "lab2.toml"
    path.write_text(TOML)
    return Protocol(name=str(path))


def clip(subject, name, emotion, *, synthetic=False, corpus="lab", **more):
    reading = {"emotion": emotion, "onset_index": 0, "apex_index": 1}
    return {
        "key": f"{corpus}/{subject}/{name}",
        "corpus": corpus,
        "subject": f"{corpus}/{subject}",
        "synthetic": synthetic,
        "annotated": reading,
        **more,
    }


WHOLE = (
    clip("a", "1", "Happiness"),
    clip("a", "2", "anger"),
    clip("b", "1", "happiness"),
    clip("b", "2", "fear"),
    clip("b", "3", "boredom"),
)


def test_emotions_become_classes_and_the_rest_is_told(protocol):
    sample = select(WHOLE[::-1], protocol, "repair")
    assert [(c.clip["key"], c.label) for c in sample.chosen] == [
        ("lab/a/1", 0),
        ("lab/a/2", 1),
        ("lab/b/1", 0),
        ("lab/b/2", 1),
    ]
    assert sample.rules == ("lab: 4 of 5 clips, not 1 boredom",)
    assert sample.reduced == ""


def test_a_real_release_must_be_the_published_one(protocol):
    with pytest.raises(UserError) as error:
        select(WHOLE[1:], protocol, "repair")
    assert "lab2 does not have its published sample: lab 1 of 2 calm" in str(
        error.value
    )
    assert "--set protocol.partial=true" in str(error.value)
    more = (*WHOLE, clip("b", "4", "anger"))
    with pytest.raises(UserError, match="3 of 2 cross"):
        select(more, protocol, "repair")


def test_a_smaller_sample_says_reduced(protocol):
    import dataclasses

    partial = dataclasses.replace(protocol, partial=True)
    assert select(WHOLE[2:], partial, "repair").reduced == (
        "reduced: lab 2 of 4 published clips"
    )
    twin = [{**c, "synthetic": True} for c in WHOLE[2:]]
    assert select(twin, protocol, "repair").reduced.startswith("reduced: lab 2 of 4")


def test_corpora_of_which_any_will_do_are_not_missed(tmp_path):
    other = "\n[corpora.other]\nsubjects = 9\ncounts = [9, 9]\n[corpora.other.labels]\n"
    all_of, any_of = tmp_path / "all.toml", tmp_path / "any.toml"
    all_of.write_text(TOML + other)
    any_of.write_text("any_of = true" + TOML + other)
    with pytest.raises(UserError, match="other 0 of 9 calm, 0 of 9 cross, 0 of 9 sub"):
        select(WHOLE, Protocol(name=str(all_of)), "repair")
    protocol = Protocol(name=str(any_of))
    assert select(WHOLE, protocol, "repair").reduced == ""
    # Those that are there are asserted, even where none of their clips counts.
    with pytest.raises(UserError, match="sample: lab 1 of 2 calm"):
        select(WHOLE[1:], protocol, "repair")
    with pytest.raises(UserError, match="sample: other 0 of 9 calm"):
        select([*WHOLE, clip("z", "1", "joy", corpus="other")], protocol, "repair")


def test_a_listed_clip_that_is_missing_is_named():
    cde = Protocol(name="cde3")
    listed = cde.definition().listed
    clips = []
    for key in listed:
        corpus, subject, name = key.split("/")
        clips.append(clip(subject, name, "whatever", corpus=corpus))
    stranger = clip("sub01", "EP99_01", "happiness", corpus="casme2")
    sample = select([*clips, stranger], cde, "repair")
    assert len(sample.chosen) == 442 and not sample.reduced
    assert "casme2: 145 of 146 clips, not 1 happiness" in sample.rules
    # Labels are the list's, whatever a release says.
    assert {c.clip["key"]: c.label for c in sample.chosen} == dict(listed)
    gone = [c for c in clips if c["key"] != "samm/006/006_1_2"]
    with pytest.raises(UserError, match="Not in the release: samm/006/006_1_2"):
        select(gone, cde, "repair")


MENDED = clip(
    "a",
    "2",
    "boredom",
    repaired={"emotion": "anger", "onset_index": 0, "apex_index": 5},
    repairs=["made: emotion 'boredom' -> 'anger' (slip; us)"],
)


def test_repairs_are_made_kept_or_their_clips_dropped(protocol):
    clips = [WHOLE[0], MENDED, *WHOLE[2:]]
    repaired = select(clips, protocol, "repair")
    assert repaired.chosen[1].label == 1
    assert repaired.chosen[1].reading["apex_index"] == 5
    assert "annotation errors repaired: lab/a/2" in repaired.rules
    with pytest.raises(UserError, match="1 of 2 cross"):
        select(clips, protocol, "keep")
    dropped = select(clips, protocol, "drop")
    assert [c.clip["key"] for c in dropped.chosen] == ["lab/a/1", "lab/b/1", "lab/b/2"]
    assert "annotation errors left out: lab/a/2" in dropped.rules
    assert not dropped.reduced  # the release is whole; dropping was the user's wish


def test_a_repair_that_was_not_made_is_told(protocol):
    told = "not made, the release says '7': apex '5' -> '6' (slip; us)"
    clips = [{**WHOLE[0], "repairs": [told]}, *WHOLE[1:]]
    assert f"lab/a/1: {told}" in select(clips, protocol, "repair").rules


def test_nothing_left_is_an_error(protocol):
    twin = [{**WHOLE[4], "synthetic": True}]
    with pytest.raises(UserError, match="none of 1 clips counts. lab: 0 of 1 clips"):
        select(twin, protocol, "repair")


def test_a_config_with_another_annotation_is_refused(protocol):
    check_configs(["lab/good", "other/any"], protocol)
    with pytest.raises(UserError, match="is defined on lab/good, not on lab/bad"):
        check_configs(["lab/bad"], protocol)
