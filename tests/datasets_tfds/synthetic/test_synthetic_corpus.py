"""Tests for datasets_tfds/synthetic/corpus.py, coding_sheet.py and streams.py."""

import collections
import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_tfds.synthetic import corpus
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.coding_sheet import LABELS, annotations
from datasets_tfds.synthetic.corpus import COMPOSITE, NUM_FRAMES, TINY
from datasets_tfds.synthetic.expressions import EMOTIONS
from datasets_tfds.synthetic.performance import Setting
from datasets_tfds.synthetic.streams import stream

SMALL = TINY[0]
seeds = st.integers(0, 2**32 - 1)


def filmed(corpus_, **kwargs):
    kwargs = {"seed": 0, "size": 32, "setting": Setting(), **kwargs}
    return list(corpus.clips(corpus_, **kwargs))


def test_the_composite_has_the_published_size():
    counts = {c.name: (c.num_clips, c.num_subjects, c.label_counts) for c in COMPOSITE}
    assert counts == {
        "synthetic_casme2": (145, 24, (88, 32, 25)),
        "synthetic_smic": (164, 16, (70, 51, 43)),
        "synthetic_samm": (133, 28, (92, 26, 15)),
    }


@pytest.mark.parametrize("member", COMPOSITE, ids=lambda c: c.name)
@given(seed=seeds, label_noise=st.floats(0, 1))
def test_recorded_labels_meet_the_quota_with_any_noise(member, seed, label_noise):
    rows = annotations(member, seed, label_noise)
    labels = collections.Counter(row.label for row in rows)
    assert tuple(labels[label] for label in LABELS) == member.label_counts
    per_subject = collections.Counter(row.subject for row in rows)
    assert len(per_subject) == member.num_subjects  # so each has at least one clip
    assert len({row.key for row in rows}) == member.num_clips


@pytest.mark.parametrize("member", COMPOSITE + TINY)
def test_recorded_emotions_belong_to_their_labels(member):
    for row in annotations(member, 0, 0.5):
        emotions = dict(zip(LABELS, member.emotions, strict=True))
        assert row.emotion in emotions[row.label]
        assert row.key == f"{row.corpus}/{row.subject.split('/')[1]}/{row.clip}"
        assert row.corpus == member.name


def test_subjects_have_unequal_numbers_of_clips():
    for member in COMPOSITE:
        rows = annotations(member, 0)
        per_subject = collections.Counter(row.subject for row in rows)
        assert max(per_subject.values()) > 2 * min(per_subject.values())


def test_without_label_noise_the_coders_are_right():
    for member in COMPOSITE:
        assert all(row.shown == row.emotion for row in annotations(member, 0))


def test_label_noise_is_the_share_of_emotions_drawn_anew():
    large = dataclasses.replace(COMPOSITE[1], label_counts=(4000, 4000, 4000))
    rows = annotations(large, 0, label_noise=0.3)
    label_of = {e: i for i, group in enumerate(large.emotions) for e in group}
    wrong = sum(label_of[row.shown] != LABELS.index(row.label) for row in rows)
    assert wrong / len(rows) == pytest.approx(0.3 * 2 / 3, abs=0.02)


def test_at_least_half_of_the_tiny_subjects_show_more_than_one_label():
    labels = collections.defaultdict(set)
    for member in TINY:
        for row in annotations(member, 0):
            labels[row.subject].add(row.label)
    assert len(labels) == 6
    assert sum(len(shown) > 1 for shown in labels.values()) >= 3


def test_action_units_are_those_of_the_shown_emotion():
    for clip in filmed(SMALL, label_noise=0.5):
        assert clip.action_units in EMOTIONS[clip.annotation.shown]


def test_a_clip_alone_equals_the_clip_in_the_corpus():
    setting = Setting(strength=0.7, nuisance=2)
    together = filmed(SMALL, setting=setting, frames="all")
    for index in (5, 0):  # backwards: nothing may carry over
        row = together[index].annotation
        alone = corpus.film_clip(
            row, seed=0, camera=Camera.close_up(32), setting=setting, frames="all"
        )
        assert alone.action_units == together[index].action_units
        np.testing.assert_array_equal(alone.frames, together[index].frames)


def test_more_subjects_change_no_face_and_no_clip_of_the_others():
    larger = dataclasses.replace(SMALL, num_subjects=4, label_counts=(9, 5, 4))
    before, after = (
        {(c.annotation.key, c.annotation.shown): c for c in filmed(member)}
        for member in (SMALL, larger)
    )
    shared = before.keys() & after.keys()
    assert shared
    for key in shared:
        np.testing.assert_array_equal(before[key].frames, after[key].frames)


def test_the_onset_apex_pair_is_cut_from_the_whole_clip():
    pairs, wholes = filmed(SMALL), filmed(SMALL, frames="all")
    for pair, whole in zip(pairs, wholes, strict=True):
        assert len(whole.frames) == NUM_FRAMES
        assert pair.apex_index == 1 and len(pair.frames) == 2
        np.testing.assert_array_equal(pair.frames[0], whole.frames[0])
        np.testing.assert_array_equal(pair.frames[1], whole.frames[whole.apex_index])


def test_another_seed_is_another_corpus():
    first, second = (filmed(SMALL, seed=seed)[0].frames[0] for seed in (0, 1))
    assert (first != second).mean() > 0.5


@given(seeds, st.text(max_size=8), st.integers(0, 99))
def test_a_stream_depends_on_its_whole_name(seed, name, index):
    def draw(*args):
        return stream(*args).integers(2**62)

    value = draw(seed, name, index)
    assert value == draw(seed, name, index) == draw(seed, f"{name}/{index}")
    assert value != draw(seed + 1, name, index)
    assert value != draw(seed, name, index + 1)
    assert value != draw(seed, name + "'", index)


def test_a_stream_is_the_same_in_every_process():
    code = (
        "from datasets_tfds.synthetic.streams import stream;"
        "print(stream(0, 'synthetic_smic/sub01', 'head').integers(2**62))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": os.getcwd()},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert printed == {f"{stream(0, 'synthetic_smic/sub01/head').integers(2**62)}\n"}
