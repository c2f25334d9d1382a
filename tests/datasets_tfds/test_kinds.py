"""Tests for datasets_tfds/kinds.py: no line that the shared code tells is a remark."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases import write_frames

from datasets_tfds.film import Film, example, positions
from datasets_tfds.kinds import REMARK, kind_of
from datasets_tfds.matching import told
from datasets_tfds.repairs import Repair, repair

POSITIONS = {
    *("no onset", "no apex", "no offset", "apex outside", "onset after offset"),
    *("apex is onset", "apex is offset"),
}
TEXTS = st.one_of(
    st.integers(-1, 30).map(str), st.sampled_from(["", "/", "T4\n5", "x y"])
)


@given(
    onset=TEXTS,
    apex=TEXTS,
    offset=TEXTS,
    numbers=st.sets(st.integers(0, 25), min_size=1).map(sorted),
    apexes=st.sampled_from(["annotated", "none", "last"]),
)
def test_every_issue_of_a_position_has_a_kind(onset, apex, offset, numbers, apexes):
    written = {"onset": onset, "apex": apex, "offset": offset}
    issues = positions(written, numbers, apexes).issues
    assert {kind_of(line) for line in issues} <= POSITIONS


@pytest.mark.parametrize(
    ("onset", "apex", "offset", "kinds"),
    [
        (10, 12, 14, []),
        (8, 12, 14, ["no onset"]),
        ("?", 12, 14, ["no onset"]),
        (10, "/", 14, ["no apex"]),
        (10, 13, 14, ["no apex"]),
        (10, 15, 14, ["apex outside"]),
        (10, 10, 14, ["apex is onset"]),
        (10, 14, 14, ["apex is offset"]),
        (10, 12, 19, ["no offset"]),
        (10, 12, "x", ["no offset"]),
        (14, 12, 10, ["onset after offset"]),
    ],
)
def test_the_kinds_of_positions(onset, apex, offset, kinds):
    written = {"onset": str(onset), "apex": str(apex), "offset": str(offset)}
    issues = positions(written, [10, 11, 12, 14]).issues
    assert [kind_of(line) for line in issues] == kinds


def test_the_kinds_of_frames(tmp_path):
    frames = write_frames(tmp_path, [1, 2, 3, 5, 6])
    frames[3].write_bytes(b"")
    written = {"onset": "1", "apex": "2", "offset": "6"} | dict.fromkeys(
        ("emotion", "action_units"), ""
    )
    issues = example(Film("a", "b", "c", written, frames, 9.0, "v"), (), synthetic=True)
    assert [kind_of(line) for line in issues["issues"]] == ["corrupt frame", "gap"]


def test_the_kinds_of_repairs():
    mend = Repair("a", "b", "c", "apex", "/", "3", "none: coded", "who")
    lines = [repair({"apex": apex}, [mend], (3, 4))[1] for apex in ("/", "3", "9")]
    lines.append(repair({"apex": "/"}, [mend], ())[1])
    assert [kind_of(line) for (line,) in lines] == [
        *("repair", "repair", "repair not made", "repair not made")
    ]


def test_the_kinds_of_what_has_no_partner():
    one, both = {("s", "a"): "s/a"}, {("s", "a"): "s/a", ("s", "b"): "s/b"}
    kinds = lambda annotated, filmed: [
        kind_of(line) for line in told(annotated, filmed)
    ]
    assert kinds(one, one) == [REMARK]
    assert kinds(both, one) == ["rows without frames"]
    assert kinds(one, both) == [REMARK, "folders without a row"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("no onset in the table: first frame of the long clip taken", "no onset"),
        ("no offset in the table (a formula): last frame taken", "no offset"),
        ("dual view: a frame shows the face from the front", REMARK),
        ("fps not in the table: 25 assumed", REMARK),
        ("the apex is the onset of something else", REMARK),
        ("no emotion", REMARK),
        ("", REMARK),
    ],
)
def test_remarks_of_builders(line, kind):
    assert kind_of(line) == kind
