"""Tests for datasets_tfds/tree.py."""

import os

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from releases import picture, write_frames

from datasets_tfds import tree
from datasets_tfds.record import ReleaseError


def parts(root):
    return [folder.parts for folder in tree.image_folders(root)]


def test_folders_of_images_are_found_at_any_depth_with_lower_case_parts(tmp_path):
    root = tmp_path / "Release"
    write_frames(root / "A" / "A" / "Sub01" / "EP01", (9, 10))
    write_frames(root / "b", (1,), name="{}.PNG", format="PNG")
    (root / "empty").mkdir()
    (root / "text").mkdir()
    (root / "text" / "note.txt").touch()
    assert parts(root) == [
        ("release", "a", "a", "sub01", "ep01"),
        ("release", "b"),
    ]
    folder = tree.image_folders(root)[0]
    assert folder.path == root / "A" / "A" / "Sub01" / "EP01"
    assert [f.name for f in folder.files] == ["img10.jpg", "img9.jpg"]


def test_images_in_the_root_itself_count(tmp_path):
    write_frames(tmp_path / "EP01", (1,))
    assert parts(tmp_path / "EP01") == [("ep01",)]


@pytest.mark.parametrize(
    "litter",
    [".git/x/1.jpg", "__MACOSX/sub01/1.jpg", "a/._1.jpg", "a/Thumbs.db", "a/~$1.jpg"],
)
def test_litter_is_passed_over(litter, tmp_path):
    path = tmp_path / litter
    path.parent.mkdir(parents=True)
    path.write_bytes(picture("litter"))
    assert tree.image_folders(tmp_path) == []
    assert tree.find_files(tmp_path, ".*") == []


def test_links_are_followed_to_files_inside_of_the_release_only(tmp_path):
    root, outside = tmp_path / "release", tmp_path / "outside"
    real = write_frames(root / "store", (1, 2))
    other = write_frames(outside, (3,))
    (root / "clip").mkdir()
    os.symlink(real[1], root / "clip" / "img1.jpg")
    os.symlink("../store/img2.jpg", root / "clip" / "img2.jpg")
    os.symlink(other[3], root / "clip" / "img3.jpg")
    os.symlink("img4.jpg", root / "clip" / "img4.jpg")  # a loop
    os.symlink(outside, root / "linked")
    os.symlink(root, root / "store" / "loop")
    found = {f.parts: [p.name for p in f.files] for f in tree.image_folders(root)}
    assert found == {
        ("release", "clip"): ["img1.jpg", "img2.jpg", "img4.jpg"],
        ("release", "store"): ["img1.jpg", "img2.jpg"],
    }
    assert tree.defect(root / "clip" / "img4.jpg")


def test_pipes_are_no_files_as_who_opens_one_waits(tmp_path):
    write_frames(tmp_path / "clip", (1,))
    os.mkfifo(tmp_path / "clip" / "img2.jpg")
    os.symlink("img2.jpg", tmp_path / "clip" / "img3.jpg")
    os.mkfifo(tmp_path / "table.csv")
    os.symlink("nothing.csv", tmp_path / "other.csv")
    (folder,) = tree.image_folders(tmp_path)
    assert [f.name for f in folder.files] == ["img1.jpg"]
    assert tree.find_files(tmp_path, r".*\.csv") == []


def test_a_link_to_the_release_will_do(tmp_path):
    write_frames(tmp_path / "release" / "clip", (1,))
    os.symlink(tmp_path / "release", tmp_path / "link")
    assert parts(tmp_path / "link") == [("release", "clip")]


def test_files_are_found_by_name_whatever_the_case(tmp_path):
    for name in ("b/Codes.XLSX", "a.xlsx", "a.xlsx.bak", "~$a.xlsx", ".git/a.xlsx"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    found = tree.find_files(tmp_path, r".*\.xlsx")
    assert found == [tmp_path / "a.xlsx", tmp_path / "b" / "Codes.XLSX"]


@pytest.mark.parametrize("find", [tree.image_folders, lambda r: tree.find_files(r, "")])
def test_what_is_no_folder_is_refused(find, tmp_path):
    (tmp_path / "release.zip").touch()
    for name in ("release.zip", "absent"):
        with pytest.raises(ReleaseError, match=f"{name} is not a folder"):
            find(tmp_path / name)


def test_frames_go_by_their_last_number_not_by_their_name(tmp_path):
    names = ["006_9999.jpg", "006_10000.jpg", "006_0007.jpg", "reg_img8.jpg"]
    found = tree.numbered(tmp_path / name for name in names)
    assert list(found) == [7, 8, 9999, 10000]
    assert found[7] == tmp_path / "006_0007.jpg"


def test_two_files_for_one_frame_are_both_named(tmp_path):
    with pytest.raises(ReleaseError, match=r"img7\.jpg and .*img007\.jpg .*frame 7"):
        tree.numbered([tmp_path / "img7.jpg", tmp_path / "img007.jpg"])


def test_a_frame_without_a_number_is_named(tmp_path):
    with pytest.raises(ReleaseError, match=r"cover\.jpg"):
        tree.numbered([tmp_path / "cover.jpg"])


def test_a_number_that_no_record_holds_is_named(tmp_path):
    assert list(tree.numbered([tmp_path / f"img{2**31 - 1}.jpg"])) == [2**31 - 1]
    with pytest.raises(ReleaseError, match=f"img{2**31}.jpg.*too large"):
        tree.numbered([tmp_path / f"img{2**31}.jpg"])


@given(st.sets(st.integers(0, 10**6), max_size=20), st.integers(1, 8))
def test_numbers_survive_any_padding(numbers, width):
    paths = [tree.Path(f"006_{n:0{width}d}.jpg") for n in sorted(numbers, key=str)]
    assert list(tree.numbered(paths)) == sorted(numbers)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_whole_image_has_no_defect(format, mode, tmp_path):
    data = picture("whole", mode=mode, format=format)
    path = tmp_path / "image"
    path.write_bytes(data)
    assert tree.defect(data) == tree.defect(path) == ""


@settings(max_examples=30)
@given(
    st.floats(0, 1, exclude_max=True),
    st.sampled_from([("JPEG", 1), ("PNG", 17), ("BMP", 8)]),
)
def test_a_cut_image_is_defect(share, format):
    name, tail = format  # bytes at the end that carry no pixel
    data = picture("cut", format=name, size=(40, 30))
    assert tree.defect(data[: int(share * (len(data) - tail))]).startswith("no image")


def test_what_is_absent_or_no_image_is_defect(tmp_path):
    assert tree.defect(tmp_path / "absent.jpg") == "no image (FileNotFoundError)"
    assert tree.defect(b"") == "no image (UnidentifiedImageError)"


def sixteen_bits(*shape):
    """A PNG of 16 bits for each channel, in grey or colour."""
    return cv2.imencode(".png", np.full(shape, 40000, np.uint16))[1].tobytes()


def test_depth_has_sixteen_bits_and_pictures_have_eight():
    assert tree.defect(sixteen_bits(4, 6), depth=True) == ""
    eight = picture("grey", mode="L", format="PNG")
    assert tree.defect(eight, depth=True) == "no 16-bit depth but L"
    assert tree.defect(picture("film"), depth=True) == "no 16-bit depth but RGB"
    assert tree.defect(b"", depth=True) == "no image (UnidentifiedImageError)"
    colour = sixteen_bits(4, 6, 3)
    assert tree.defect(colour, depth=True) == "no 16-bit depth but RGB"
    for data in (colour, sixteen_bits(4, 6)):
        assert tree.defect(data) == "it has 16 bits for each channel"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_a_defect_as_it_would_be_a_fourth_channel(mode):
    data = picture("glass", mode=mode, format="PNG")
    assert tree.defect(data) == "it has transparency"


def test_more_pixels_or_bytes_than_a_frame_has_are_a_defect(tmp_path, monkeypatch):
    data = picture("large", format="PNG", size=(30, 20))
    monkeypatch.setattr(tree, "MAX_PIXELS", 599)
    assert tree.defect(data) == "it has 30x20 pixels, more than 599"
    monkeypatch.setattr(tree, "MAX_BYTES", 99)
    (tmp_path / "a.png").write_bytes(data)
    for image in (data, tmp_path / "a.png"):
        assert tree.defect(image) == f"it has {len(data)} bytes, more than 99"


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PPM"])
def test_another_format_is_a_defect_whatever_its_name(format, tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture("other", format=format))
    assert tree.defect(tmp_path / "a.jpg") == "no image (UnidentifiedImageError)"
