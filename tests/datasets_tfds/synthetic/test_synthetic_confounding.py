"""Tests for rooms.py, and for corpora whose faces tell what they show."""

import collections
import dataclasses
import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import datasets_tfds
from datasets_tfds.synthetic import corpus
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.coding_sheet import LABELS, annotations
from datasets_tfds.synthetic.corpus import (
    BALANCED,
    CONFOUNDED,
    FEW,
    STRANGERS,
    UNCONFOUNDED,
)
from datasets_tfds.synthetic.footage import film
from datasets_tfds.synthetic.identity import draw_identity
from datasets_tfds.synthetic.rooms import ROOMS, enter
from datasets_tfds.synthetic.streams import stream
from datasets_tfds.synthetic.synthetic_dataset_builder import PLAIN, Builder

PROTOCOLS = Path(datasets_tfds.__file__).parent / "protocols"


def labels_of(member, seed=0):
    """How often each person shows each label, in the order of the people."""
    shown = collections.defaultdict(collections.Counter)
    for row in annotations(member, seed):
        shown[row.subject][LABELS.index(row.label)] += 1
    return [tuple(counts[label] for label in range(3)) for counts in shown.values()]


def test_eight_of_nine_clips_of_a_confounded_person_show_their_own_label():
    assert labels_of(CONFOUNDED) == [(8, 1, 0), (0, 8, 1), (1, 0, 8)] * 13
    assert labels_of(UNCONFOUNDED) == [(3, 3, 3)] * 39
    assert labels_of(BALANCED) == [(3, 3, 3)] * 12


def test_few_people_show_their_own_label_three_times_of_five():
    assert labels_of(FEW) == [(18, 6, 6), (6, 18, 6), (6, 6, 18)] * 4
    assert labels_of(STRANGERS) == [(3, 3, 3)] * 90


@given(
    confound=st.floats(0, 1),
    rounds=st.integers(1, 5),
    num_clips=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_share_is_met_by_everybody_and_leaves_the_labels_balanced(
    confound, rounds, num_clips, seed
):
    member = dataclasses.replace(
        CONFOUNDED,
        num_subjects=3 * rounds,
        label_counts=(rounds * num_clips,) * 3,
        confound=confound,
    )
    shown = labels_of(member, seed)
    assert tuple(map(sum, zip(*shown, strict=True))) == member.label_counts
    own = round(confound * num_clips)
    for person, counts in enumerate(shown):
        assert sum(counts) == num_clips
        after = tuple(counts[(person + shift) % 3] for shift in range(3))
        rest = num_clips - own
        # The rest begins with the label after one's own.
        assert after == (own + rest // 3, (rest + 2) // 3, (rest + 1) // 3)


def test_labels_come_in_any_order():
    positions = collections.Counter(
        row.clip
        for row in annotations(CONFOUNDED, 0)
        if LABELS.index(row.label) != row.room
    )
    assert positions.total() == 39 and len(positions) > 5
    assert annotations(CONFOUNDED, 0) == annotations(CONFOUNDED, 0)
    assert annotations(CONFOUNDED, 0) != annotations(CONFOUNDED, 1)


def test_the_room_tells_the_label_of_confounded_people_only():
    def table(member):
        rows = annotations(member, 0)
        pairs = collections.Counter((r.room, LABELS.index(r.label)) for r in rows)
        return [[pairs[room, label] for label in range(3)] for room in range(3)]

    assert table(CONFOUNDED) == [[104, 13, 0], [0, 104, 13], [13, 0, 104]]
    assert table(UNCONFOUNDED) == [[39, 39, 39]] * 3
    assert table(BALANCED) == [[12, 12, 12]] * 3


def test_each_person_keeps_to_one_room_in_both_configs():
    rooms = collections.defaultdict(set)
    for member in (CONFOUNDED, UNCONFOUNDED, BALANCED):
        for row in annotations(member, 0):
            rooms[row.subject].add(row.room)
    assert len(rooms) == 51
    assert all(len(room) == 1 for room in rooms.values())


def test_the_other_corpora_have_no_rooms():
    for member in (*corpus.COMPOSITE, corpus.OTHERS, corpus.MACRO):
        assert {row.room for row in annotations(member, 0)} == {None}


# From before there were rooms; a processor may change a grey level.
DEMO_ROWS = [
    ("synthetic_samm/sub01/EP01_01", "contempt", "contempt"),
    ("synthetic_samm/sub28/EP01_01", "happiness", "surprise"),
]
DEMO_QUARTERS = [
    [[131.37, 136.96], [149.47, 155.18]],  # mean grey level of the onset frame
    [[131.67, 137.60], [148.96, 154.84]],  # and of the apex frame
]


def test_the_demo_is_what_it_was():
    config = Builder.builder_configs["demo"]
    samm = config.corpora[-1]
    rows = annotations(samm, config.seed, config.label_noise)
    assert [(r.key, r.emotion, r.shown) for r in (rows[0], rows[-1])] == DEMO_ROWS
    clip = corpus.film_clip(
        rows[0],
        seed=config.seed,
        camera=Camera.close_up(config.size, samm.grey),
        setting=config.setting,
    )
    quarters = np.reshape(clip.frames, (2, 2, 64, 2, 64, 3)).mean(axis=(2, 4, 5))
    np.testing.assert_allclose(quarters, DEMO_QUARTERS, atol=1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"confound": 1.1}, "confound must be in"),
        ({"num_subjects": 13, "label_counts": (39, 39, 39)}, "multiple"),
        ({"num_subjects": 12}, "equally many clips: got 12 subjects, 351 clips"),
        ({"label_counts": (116, 117, 118)}, "label_counts"),
    ],
)
def test_people_who_cannot_go_round_the_labels_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(CONFOUNDED, **changes)


def test_both_configs_show_the_same_people_before_they_move():
    sheets = (annotations(member, 0) for member in (CONFOUNDED, UNCONFOUNDED))
    pairs = [p for p in zip(*sheets, strict=True) if p[0].shown != p[1].shown]
    for pair in pairs[::60]:
        onsets = [
            corpus.film_clip(
                row, seed=0, camera=Camera.close_up(32), setting=PLAIN
            ).frames[0]
            for row in pair
        ]
        np.testing.assert_array_equal(*onsets)


def onset(subject, room):
    return film(
        seed=0,
        subject=subject,
        clip="EP01_01",
        emotion="neutral",
        camera=Camera.close_up(64),
        num_frames=2,
        room=room,
    ).frame(0)


def test_a_room_changes_the_light_and_not_the_face():
    face = draw_identity(stream(0, "somebody"))
    lit = {"skin", "hair", "iris", "cloth", "background", "light"}
    for number in range(len(ROOMS)):
        entered = enter(face, number)
        changed = {
            field.name
            for field in dataclasses.fields(face)
            if getattr(face, field.name) != getattr(entered, field.name)
        }
        assert changed <= lit and {"background", "light"} <= changed
        assert all(0 <= value <= 1 for value in (*entered.skin, *entered.background))


@pytest.mark.parametrize("number", [-1, 3])
def test_a_room_that_is_not_there_is_refused(number):
    with pytest.raises(
        ValueError, match=rf"room must be one of 0 \.\. 2, got {number}"
    ):
        enter(draw_identity(stream(0, "somebody")), number)


@pytest.mark.parametrize("grey", [False, True])
def test_the_nearest_mean_picture_of_other_people_tells_the_room(grey):
    people = [f"sub{i:02d}" for i in range(12)]
    pictures = np.array(
        [[onset(person, room) for room in range(3)] for person in people], float
    )
    if grey:
        pictures = pictures.mean(-1)
    means = pictures[:6].mean(0)
    distances = [
        [np.square(picture - mean).mean() for mean in means]
        for picture in itertools.chain(*pictures[6:])
    ]
    right = np.argmin(distances, axis=1) == np.tile(range(3), 6)
    assert right.mean() >= (0.8 if grey else 0.95)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("confounded", "confounded3"),
        ("unconfounded", "confounded3"),
        ("crowd", "crowd3"),
        ("few", "few3"),
    ],
)
def test_the_protocol_counts_what_the_configs_hold(name, file):
    config = Builder.builder_configs[name]
    assert (config.frames, config.size, config.label_noise) == ("all", 64, 0)
    protocol = tomllib.loads((PROTOCOLS / f"{file}.toml").read_text())
    assert tuple(protocol["classes"]) == LABELS
    assert protocol["corpora"].keys() == {member.name for member in config.corpora}
    for member in config.corpora:
        part = protocol["corpora"][member.name]
        assert part["subjects"] == member.num_subjects
        assert tuple(part["counts"]) == member.label_counts
        assert tuple(map(tuple, part["labels"].values())) == member.emotions
