import contextlib
import io
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets_tfds.megc2019_flow import noise_release, release
from datasets_tfds.megc2019_flow.megc2019_flow_dataset_builder import Builder
from datasets_tfds.record import SPLIT, ReleaseError

REAL = Path(
    os.environ.get(
        "MER_MEGC2019_FLOW",
        Path(__file__).parents[3] / "shared" / "data" / "megc2019_flow",
    )
)
needs_real = pytest.mark.skipif(
    not REAL.is_dir(),
    reason=f"the published images are not at {REAL}; set MER_MEGC2019_FLOW",
)
KEY = "casme2/sub02/EP01_11f"  # label 0


def prepare(folder, data_dir, *, config="full"):
    builder = Builder(config=config, data_dir=data_dir, file_format="array_record")
    manual = tfds.download.DownloadConfig(manual_dir=folder)
    builder.download_and_prepare(download_config=manual)
    return builder


def read(folder, *, complete=False):
    return release.read_release(Path(folder), complete=complete)


def errors(folder, *, complete=False):
    with pytest.raises(ReleaseError) as caught:
        read(folder, complete=complete)
    return str(caught.value)


def name_of(path):
    return repr(str(Path(*path.parts[-4:])))


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A whole fake release; tests leave it as they found it."""
    folder = tmp_path_factory.mktemp("full")
    return folder, noise_release.write_release(folder, subjects=None)


@pytest.fixture(scope="module")
def whole_release(full):
    """As `full`, but short to print: hypothesis does not like long arguments."""
    return lambda: full


@pytest.fixture
def mini(tmp_path):
    folder = tmp_path / "release"
    return folder, noise_release.write_release(folder)


# The published list.


def test_the_published_list_has_the_counts_of_the_challenge():
    rows = release.published_clips().values()
    assert len(rows) == 442
    assert Counter(row.label for row in rows) == {0: 250, 1: 109, 2: 83}
    assert Counter(row.corpus for row in rows) == {
        "casme2": 145,
        "samm": 133,
        "smic": 164,
    }
    assert len({(row.corpus, row.subject) for row in rows}) == 68
    assert len({row.subject for row in rows}) == 68  # a name alone tells the corpus


# A good release.


def test_a_prepared_release_reads_back_bit_for_bit(mini, tmp_path, capsys):
    folder, files = mini
    builder = prepare(folder, tmp_path, config="partial")
    assert f"reduced, {len(files)} of 442 clips, 6 subjects" in capsys.readouterr().out
    assert "label" not in builder.info.features
    source = builder.as_data_source(SPLIT)
    assert {clip["key"].decode() for clip in source} == set(files)
    for clip in source:
        key = clip["key"].decode()
        corpus, subject, _ = key.split("/")
        assert clip["corpus"].decode() == corpus
        assert clip["subject"].decode() == f"{corpus}/{subject}"
        label = release.published_clips()[key].label
        emotion = ("negative", "positive", "surprise")[label]
        assert clip["annotated"] == {"emotion": emotion.encode()}
        assert clip["synthetic"]  # the release is noise
        pixels = np.asarray(Image.open(files[key]))
        np.testing.assert_array_equal(clip["flow"], pixels)
    raw = builder.as_data_source(SPLIT, decoders={"flow": tfds.decode.SkipDecoding()})
    for clip in raw:
        assert clip["flow"] == files[clip["key"].decode()].read_bytes()


def test_a_whole_release_is_prepared_in_the_same_order_every_time(full, tmp_path):
    folder, files = full
    one, two = (prepare(folder, tmp_path / name) for name in ("one", "two"))
    assert one.info.splits[SPLIT].num_examples == 442
    keys = [[c["key"].decode() for c in b.as_data_source(SPLIT)] for b in (one, two)]
    assert keys[0] == keys[1]
    assert set(keys[0]) == set(files)
    assert "Liong" in one.info.citation and "See" in one.info.citation


def test_names_without_the_trailing_space_are_the_same_clips(mini, tmp_path):
    folder, files = mini
    noise_release.write_release(tmp_path / "bare", trailing_space=False)
    assert read(tmp_path / "bare") == read(folder)
    assert [clip.published.key for clip in read(folder)] == list(files)


def test_the_folder_above_the_release_will_do(mini):
    folder, files = mini
    (folder.parent / "STSTNet_Weights").mkdir()
    assert len(read(folder.parent)) == len(files)


def test_litter_and_training_folders_are_ignored(mini):
    folder, files = mini
    label = files[KEY].parent
    for litter in (
        folder / "readme.txt",
        folder / ".DS_Store",
        folder / "__MACOSX" / "x.png",
        folder / "sub02" / "desktop.ini",
        folder / "sub02" / "u_train" / "9" / "what.ever",
        label.parent / "Thumbs.db",
        label / "Thumbs.db",
        label / "._sub02_EP01_11f .png",
    ):
        litter.parent.mkdir(parents=True, exist_ok=True)
        litter.write_bytes(b"litter")
    assert len(read(folder)) == len(files)


def test_a_noise_release_holds_every_corpus_and_class():
    rows = release.published_clips().values()
    rows = [row for row in rows if row.subject in noise_release.MINIATURE]
    assert {row.corpus for row in rows} == {"casme2", "samm", "smic"}
    assert {row.label for row in rows} == {0, 1, 2}


def test_a_noise_release_of_an_unknown_subject_is_refused(tmp_path):
    with pytest.raises(ValueError, match="sub10"):
        noise_release.write_release(tmp_path, subjects=["sub10"])


# A bad release.


def test_missing_subjects_are_named(mini):
    folder, files = mini
    message = errors(folder, complete=True)
    assert "missing subjects (62):" in message
    assert "casme2/sub01, " in message and "casme2/sub02" not in message
    assert f"{len(files)} of 442" in message
    assert "missing clip" not in message  # the subject says it


def test_a_missing_clip_is_named_with_its_path(full):
    folder, files = full
    with gone(files[KEY]):
        message = errors(folder, complete=True)
    assert f"missing clip {KEY}" in message
    assert "sub02/u_test/0/sub02_EP01_11f.png" in message
    assert "441 of 442" in message and "1 problem" in message


def test_an_unknown_clip_is_named(mini):
    folder, files = mini
    extra = files[KEY].with_name("sub02_EP99_01 .png")
    shutil.copy(files[KEY], extra)
    message = errors(folder)
    assert f"unexpected clip {name_of(extra)}: casme2/sub02/EP99_01" in message


def test_a_clip_of_another_subject_is_named(mini):
    folder, files = mini
    stray = files[KEY].with_name("sub04_EP12_02f .png")
    files[KEY].rename(stray)
    assert f"unexpected clip {name_of(stray)}" in errors(folder)


def test_a_wrong_label_folder_is_named_with_the_published_label(mini):
    folder, files = mini
    moved = folder / "sub02" / "u_test" / "1" / files[KEY].name
    files[KEY].rename(moved)
    message = errors(folder)
    assert f"label differs: {name_of(moved)} lies under 1" in message
    assert "label 0 (negative)" in message


@pytest.mark.parametrize(
    "twin", ["u_test/2/sub02_EP01_11f .png", "u_test/0/sub02_EP01_11f.png"]
)
def test_the_same_clip_twice_is_named_with_both_files(mini, twin):
    folder, files = mini
    shutil.copy(files[KEY], folder / "sub02" / twin)
    message = errors(folder)
    assert f"the same clip {KEY} more than once" in message
    assert name_of(files[KEY]) in message
    assert repr(f"sub02/{twin}") in message


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "does not decode"),
        (b"GIF89a", "does not decode"),
        (noise_release.noise_png(np.random.default_rng(0))[:-400], "does not decode"),
        (noise_release.noise_png(np.random.default_rng(0))[:-4], "truncated"),
        (noise_release.noise_png(np.random.default_rng(0), size=32), "RGB 32x32"),
        (noise_release.noise_png(np.random.default_rng(0), mode="RGBA"), "RGBA 28x28"),
        (noise_release.noise_png(np.random.default_rng(0), mode="L"), "L 28x28"),
        (noise_release.noise_png(np.random.default_rng(0), mode="P"), "P 28x28"),
    ],
    ids=["empty", "other", "cut", "no_end", "32px", "alpha", "grey", "palette"],
)
def test_an_image_that_is_not_one_is_named(mini, content, what):
    folder, files = mini
    files[KEY].write_bytes(content)
    message = errors(folder)
    assert f"bad image {name_of(files[KEY])}" in message
    assert what in message


def test_a_jpeg_by_the_name_of_png_is_named(mini):
    folder, files = mini
    data = io.BytesIO()
    Image.new("RGB", (28, 28)).save(data, format="JPEG")
    files[KEY].write_bytes(data.getvalue())
    assert "JPEG RGB 28x28, expected PNG RGB 28x28" in errors(folder)


def test_a_flipped_bit_is_found_by_the_checksum(mini):
    folder, files = mini
    data = bytearray(files[KEY].read_bytes())
    data[len(data) // 2] ^= 1
    files[KEY].write_bytes(data)
    assert name_of(files[KEY]) in errors(folder)


def test_a_folder_by_the_name_of_an_image_is_named(mini):
    folder, files = mini
    files[KEY].unlink()
    files[KEY].mkdir()
    assert f"bad image {name_of(files[KEY])}" in errors(folder)


@pytest.mark.parametrize(
    "stray",
    [
        "sub10/u_test/0/sub10_EP01_01 .png",
        "sub02/v_test/0/sub02_EP01_11f .png",
        "sub02/u_test/3/sub02_EP01_11f .png",
        "sub02/u_test/0/notes.txt",
    ],
)
def test_what_should_not_be_there_is_named(mini, stray):
    folder, _ = mini
    path = folder / stray
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    message = errors(folder)
    assert "unexpected '" in message
    known = [part for part in Path(stray).parents if repr(str(part)) in message]
    assert known or repr(stray) in message


def test_everything_wrong_is_told_at_once_and_long_lists_are_cut(mini):
    folder, files = mini
    for path in files.values():
        path.write_bytes(b"")
    message = errors(folder, complete=True)
    lines = message.splitlines()
    assert f"{len(files) + 1} problem(s)" in lines[0]
    assert len(lines) == 1 + 20 + 1
    assert lines[-1].strip() == f"and {len(files) + 1 - 20} more"


def test_two_releases_side_by_side_are_refused(tmp_path):
    for name in ("one", "two"):
        noise_release.write_release(tmp_path / name, subjects=["sub04"])
    message = errors(tmp_path)
    assert str(tmp_path / "one") in message and str(tmp_path / "two") in message


def test_a_folder_without_subjects_is_refused(tmp_path):
    (tmp_path / "u_test").mkdir()
    assert "found: none" in errors(tmp_path)


def test_subjects_without_clips_are_refused(tmp_path):
    (tmp_path / "sub02" / "u_test").mkdir(parents=True)
    assert "no clip" in errors(tmp_path)


def test_a_file_for_a_folder_is_refused(tmp_path):
    (tmp_path / "release.zip").write_bytes(b"PK")
    assert "release.zip is not a folder" in errors(tmp_path / "release.zip")


# Nothing half-written.


@pytest.mark.parametrize("manual", ["absent", "empty"])
def test_an_absent_or_empty_folder_is_a_release_error(tmp_path, manual):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReleaseError, match="(?s)does not exist or is empty.*STSTNet"):
        prepare(tmp_path / manual, tmp_path / "data")
    assert not prepared(tmp_path / "data")


def test_a_failed_preparation_leaves_nothing_to_be_mistaken(mini, tmp_path):
    folder, files = mini
    good = files[KEY].read_bytes()
    files[KEY].write_bytes(good[:-100])
    with pytest.raises(ReleaseError, match="EP01_11f"):
        prepare(folder, tmp_path / "data", config="partial")
    assert not prepared(tmp_path / "data")
    assert not list((tmp_path / "data").rglob("*incomplete*"))
    files[KEY].write_bytes(good)  # mended, the same folder can be used
    builder = prepare(folder, tmp_path / "data", config="partial")
    assert len(builder.as_data_source(SPLIT)) == len(files)


def prepared(data_dir):
    return [
        path
        for pattern in ("dataset_info.json", "features.json", "*.array_record*")
        for path in data_dir.rglob(pattern)
    ]


# Mutations.


@contextlib.contextmanager
def gone(path):
    data = path.read_bytes()
    path.unlink()
    try:
        yield data
    finally:
        path.write_bytes(data)


@contextlib.contextmanager
def written(path, data):
    new_folder = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    try:
        yield
    finally:
        shutil.rmtree(path.parent) if new_folder else path.unlink()


MUTATIONS = ("delete", "truncate", "rename", "duplicate", "move", "garble")


@settings(
    max_examples=24,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    index=st.integers(0, 441),
    mutation=st.sampled_from(MUTATIONS),
    amount=st.floats(0, 1, exclude_max=True),
)
def test_a_mutated_release_never_passes_and_names_the_file(
    whole_release, index, mutation, amount
):
    folder, files = whole_release()
    key, path = list(files.items())[index]
    subject = key.rpartition("/")[0]
    label = int(path.parent.name)
    other = path.parents[1] / str((label + 1 + int(amount * 2)) % 3) / path.name
    data = path.read_bytes()
    position = int(amount * len(data))
    named = path.stem.strip()
    if mutation == "delete" and sum(k.startswith(f"{subject}/") for k in files) == 1:
        named = f"missing subjects (1): {subject}"  # who had only this clip
    with contextlib.ExitStack() as undo:
        if mutation == "duplicate":
            undo.enter_context(written(other, data))
        else:
            undo.enter_context(gone(path))
        if mutation == "truncate":
            undo.enter_context(written(path, data[:position]))
        elif mutation == "garble":
            garbled = bytearray(data)
            garbled[position] ^= 0x55
            undo.enter_context(written(path, bytes(garbled)))
        elif mutation == "rename":
            undo.enter_context(written(path.with_name(f"x{path.name}"), data))
        elif mutation == "move":
            undo.enter_context(written(other, data))
        message = errors(folder, complete=True)
        assert named in message
    assert path.exists()


def test_the_mutated_release_is_whole_again(full):
    assert len(read(full[0], complete=True)) == 442


# The real thing.


@needs_real
def test_the_real_release_is_the_published_one(tmp_path):
    builder = prepare(REAL, tmp_path)
    source = builder.as_data_source(SPLIT)
    assert len(source) == 442
    assert Counter(clip["annotated"]["emotion"] for clip in source) == {
        b"negative": 250,
        b"positive": 109,
        b"surprise": 83,
    }
    assert len({clip["subject"] for clip in source}) == 68
    raw = builder.as_data_source(SPLIT, decoders={"flow": tfds.decode.SkipDecoding()})
    for stored, clip in zip(raw, source, strict=True):
        row = release.published_clips()[clip["key"].decode()]
        file = REAL / row.path.with_name(f"{row.path.stem} .png")
        assert stored["flow"] == file.read_bytes()
        np.testing.assert_array_equal(clip["flow"], np.asarray(Image.open(file)))


@needs_real
def test_the_real_images_are_stretched_per_channel_and_blue_is_strain():
    clips = read(REAL, complete=True)
    images = np.stack([np.asarray(Image.open(io.BytesIO(c.png))) for c in clips])
    assert (images.min(axis=(1, 2)) == 0).all()
    assert (images.max(axis=(1, 2)) == 255).all()

    def strain(u, v):
        (u_y, u_x), (v_y, v_x) = np.gradient(u), np.gradient(v)
        return np.sqrt(u_x**2 + v_y**2 + 0.5 * (u_y + v_x) ** 2)

    def agreement(u, v, s):
        images_u, images_v, images_s = (images[..., i] / 255 for i in (u, v, s))
        triples = zip(images_u, images_v, images_s, strict=True)
        return np.median(
            [np.corrcoef(strain(u, v).ravel(), s.ravel())[0, 1] for u, v, s in triples]
        )

    assert agreement(0, 1, 2) > 0.8
    assert agreement(0, 1, 2) > agreement(1, 0, 2)  # red is along x
    assert abs(agreement(0, 2, 1)) < 0.1 and abs(agreement(1, 2, 0)) < 0.1


def test_tensorflow_is_not_imported():
    assert "tensorflow" not in sys.modules
