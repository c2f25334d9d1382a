"""Tests for datasets_tfds/film.py."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases import picture, write_frames

from datasets_tfds.film import Film, example, nothing_shown, positions
from datasets_tfds.record import ReleaseError, film_features
from datasets_tfds.repairs import Repair

WRITTEN = {"emotion": "joy", "action_units": "12"} | {
    "onset": "98",
    "apex": "100",
    "offset": "103",
}


def written(onset, apex, offset):
    names = ("onset", "apex", "offset")
    return WRITTEN | dict(zip(names, map(str, (onset, apex, offset)), strict=True))


def film(frames, reading=None, **changes):
    return Film("toy", "s1", "a", reading or WRITTEN, frames, 200.0, "v1", **changes)


@pytest.fixture
def frames(tmp_path):
    return write_frames(tmp_path / "clip", range(95, 110))


def mend(field, old, new):
    return Repair("toy", "s1", "a", field, old, new, "why", "who")


# Positions.


def test_numbers_become_positions():
    found = positions(written(98, 100, 103), range(98, 104))
    assert found == (0, 2, 5, "annotated", ())


@pytest.mark.parametrize(
    ("reading", "expected", "issue"),
    [
        ((10, "/", 20), (0, 5, 10, "middle"), "apex '/' is no frame number: middle"),
        ((10, "", 20), (0, 5, 10, "middle"), "apex '' is no frame number: middle"),
        ((10, "-1", 20), (0, 5, 10, "middle"), "apex '-1' is no frame number: middle"),
        ((10, 21, 20), (0, 5, 10, "middle"), "apex 21 outside of 10..20: middle"),
        ((11, 10, 20), (1, 5, 10, "middle"), "apex 10 outside of 11..20: middle"),
        ((10, 10, 20), (0, 0, 10, "annotated"), "apex 10 is the onset"),
        ((10, 20, 20), (0, 10, 10, "annotated"), "apex 20 is the offset"),
        ((8, 15, 20), (0, 5, 10, "annotated"), "onset 8 has no frame: 10 taken"),
        ((10, 15, 24), (0, 5, 10, "annotated"), "offset 24 has no frame: 20 taken"),
        (("?", 15, 20), (0, 5, 10, "annotated"), "onset '?' is no frame number: 10"),
        ((20, 15, 10), (0, 5, 10, "annotated"), "onset 20 after offset 10"),
    ],
)
def test_each_oddity_is_placed_and_told_once(reading, expected, issue):
    found = positions(written(*reading), range(10, 21))
    assert found[:4] == expected
    assert len(found.issues) == 1 and found.issues[0].startswith(issue)


def test_an_apex_beyond_a_clip_that_ends_early_becomes_its_middle():
    found = positions(written(10, 19, 20), range(10, 16))
    assert found[:4] == (0, 2, 5, "middle")
    assert found.issues == (
        "offset 20 has no frame: 15 taken",
        "apex 19 outside of 10..15: middle taken",
    )


def test_an_apex_in_a_gap_becomes_its_nearest_neighbour():
    found = positions(written(10, 14, 20), [10, 11, 12, 15, 20])
    assert found == (0, 3, 4, "annotated", ("apex 14 has no frame: 15 taken",))


def test_a_boundary_in_a_gap_moves_into_the_clip():
    found = positions(written(13, 15, 17), [10, 15, 20])
    assert found[:3] == (1, 1, 1)
    assert "onset 13 has no frame: 15 taken" in found.issues
    assert "offset 17 has no frame: 15 taken" in found.issues


@pytest.mark.parametrize("reading", [(20, 15, 0), (99, 15, 20)])
def test_an_onset_after_the_offset_leaves_the_apex_where_it_is(reading):
    found = positions(written(*reading), range(10, 21))
    assert found[:4] == (0, 5, 10, "annotated")
    assert found.issues == (f"onset {reading[0]} after offset {reading[2]}",)


def test_no_boundaries_and_no_apex_are_no_issue_where_there_are_none():
    found = positions(written("", "", ""), range(7), "none")
    assert found == (0, 3, 6, "middle", ())


@pytest.mark.parametrize(("frames", "middle"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2)])
def test_the_middle_is_rounded_down(frames, middle):
    found = positions(written("", "", ""), range(frames), "none")
    assert found.apex == middle


numbers = st.one_of(st.integers(0, 30).map(str), st.sampled_from(["", "/", "-1", "x"]))


@given(
    reading=st.tuples(numbers, numbers, numbers),
    frames=st.sets(st.integers(0, 30), min_size=1).map(sorted),
    apexes=st.sampled_from(["annotated", "none", "last"]),
)
def test_positions_lie_in_the_frames_in_order_whatever_is_written(
    reading, frames, apexes
):
    found = positions(written(*reading), frames, apexes)
    assert 0 <= found.onset <= found.apex <= found.offset < len(frames)
    if found.apex_source == "annotated" and not found.issues:
        indices = (found.onset, found.apex, found.offset)
        for text, index in zip(reading, indices, strict=True):
            assert text == "" or int(text) == frames[index]


# Records.


def test_a_record_holds_the_clip_and_no_frame_beyond_it(frames):
    record = example(film(frames), (), synthetic=False)
    assert record["frame_numbers"] == [98, 99, 100, 101, 102, 103]
    assert record["frames"] == [frames[n] for n in range(98, 104)]
    reading = (
        WRITTEN
        | {"apex_source": "annotated"}
        | {"onset_index": 0}
        | {
            "apex_index": 2,
            "offset_index": 5,
        }
    )
    assert record["annotated"] == record["repaired"] == reading
    assert record["issues"] == record["repairs"] == []
    assert record["key"] == "toy/s1/a" and record["subject"] == "toy/s1"
    assert record["synthetic"] is False
    assert set(record) == set(film_features())


def test_what_the_builder_says_of_a_film_is_in_its_record(frames):
    said = film(
        frames, kind="macro", modality="NIR", objective_class="4", issues=("odd",)
    )
    record = example(said, (), synthetic=True)
    assert (record["kind"], record["modality"]) == ("macro", "NIR")
    assert (record["objective_class"], record["issues"]) == ("4", ["odd"])
    assert (record["fps"], record["annotation_version"]) == (200.0, "v1")
    assert record["synthetic"] is True


def test_both_readings_are_kept_and_frames_of_both(frames):
    repairs = [mend("offset", "103", "106"), mend("apex", "100", "105")]
    record = example(film(frames), repairs, synthetic=False)
    assert record["frame_numbers"] == list(range(98, 107))
    for reading, numbers in (("annotated", (0, 2, 5)), ("repaired", (0, 7, 8))):
        found = record[reading]
        assert (
            tuple(found[f"{n}_index"] for n in ("onset", "apex", "offset")) == numbers
        )
    assert record["annotated"]["offset"] == "103"
    assert record["repaired"]["offset"] == "106"
    assert [line[:5] for line in record["repairs"]] == ["made:", "made:"]


def test_an_earlier_onset_in_one_reading_shifts_the_other(frames):
    repairs = [mend("onset", "98", "96")]
    record = example(film(frames), repairs, synthetic=False)
    assert record["annotated"]["onset_index"] == 2
    assert record["repaired"]["onset_index"] == 0
    assert record["annotated"]["apex_index"] == record["repaired"]["apex_index"] == 4


def test_a_repair_to_a_frame_that_is_absent_is_not_made(frames):
    record = example(film(frames), [mend("offset", "103", "999")], synthetic=False)
    assert record["repairs"][0].startswith("not made, there is no frame 999")
    assert record["repaired"] == record["annotated"]


def test_broken_frames_are_left_out_and_told(frames):
    frames[99].write_bytes(b"")
    frames[103].write_bytes(frames[103].read_bytes()[:-50])
    frames[96].write_bytes(b"")  # before the clip: of no concern
    record = example(film(frames), (), synthetic=False)
    assert record["frame_numbers"] == [98, 100, 101, 102]
    assert record["annotated"]["apex_index"] == 1
    assert record["issues"] == [
        "frame 99 left out: no image (UnidentifiedImageError)",
        "frame 103 left out: no image (OSError)",
        "offset 103 has no frame: 102 taken",
    ]


def test_gaps_are_told(frames):
    del frames[99], frames[101], frames[96]
    record = example(film(frames), (), synthetic=False)
    assert record["issues"] == ["2 frame numbers between 98 and 103 absent"]
    assert record["frame_numbers"] == [98, 100, 102, 103]


def test_a_clip_without_a_readable_frame_is_refused(frames):
    for path in frames.values():
        path.write_bytes(b"")
    with pytest.raises(ReleaseError, match=r"toy/s1/a: not one of 15 .*Unidentified"):
        example(film(frames), (), synthetic=False)


def test_a_still_is_onset_apex_and_offset_at_once(frames):
    still = film({7: frames[95]}, written("", "", ""), apexes="still")
    record = example(still, (), synthetic=False)
    assert record["annotated"] == record["repaired"]
    assert record["annotated"]["apex_source"] == "still"
    names = ("onset_index", "apex_index", "offset_index")
    assert [record["annotated"][name] for name in names] == [0, 0, 0]
    assert (record["frame_numbers"], record["issues"]) == ([7], [])


def test_depth_is_read_as_such(frames):
    with pytest.raises(ReleaseError, match="no 16-bit depth but RGB"):
        example(film(frames, modality="depth"), (), synthetic=False)


def test_the_frames_of_a_video_are_asked_for_once_and_stored_as_they_are():
    calls = []
    images = {n: picture(n) for n in range(5)}

    def decode():
        calls.append(1)
        return images

    video = film(decode, written("", "", ""), apexes="none")
    record = example(video, (), synthetic=False)
    assert len(calls) == 1
    assert all(isinstance(frame, io.BytesIO) for frame in record["frames"])
    assert [frame.read() for frame in record["frames"]] == list(images.values())
    assert record["annotated"]["apex_index"] == 2


def test_a_clip_that_misses_its_annotation_is_told_before(frames):
    assert nothing_shown(film(frames)) == ""
    assert nothing_shown(film(frames, written(30, 40, 50))) == (
        "annotated from 30 to 50, but frames 95..109 on disk"
    )
    assert nothing_shown(film({})).endswith("but no frame on disk")
    assert nothing_shown(film(dict)) == ""  # a video
