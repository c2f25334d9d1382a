"""Tests for mer_jax/report/clips.py."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from mer_jax.report import STAMP, SampleClips
from mer_jax.report.clips import clips_png

from .made import row, with_clips, with_overlays


def texts_of(figure):
    from matplotlib.text import Text

    return [text for text in figure.findobj(Text) if text.get_text()]


def draw(one):
    return clips_png(one, one.sample_clips)


def test_a_clip_is_a_line_and_a_picture_a_column(drawn):
    one = with_clips(row(), number=3, seed=2)
    image = np.asarray(Image.open(io.BytesIO(draw(one))).convert("RGB"))
    assert min(image.shape[:2]) > 300 and image.std() > 10
    (figure,) = drawn
    axes = figure.axes[: 3 * 2]
    titles = [ax.get_title() for ax in axes]
    assert titles == ["pretrain\nsome map", "tune\nimage", "", "", "", ""]
    r = one.results
    for i, key in enumerate(one.sample_clips.pictures):
        n = r.keys.index(key)
        predicted = r.classes[r.predictions[2, -1, n]]
        label = f"{key}\ntrue: {r.classes[r.labels[n]]}\npredicted: {predicted}"
        assert axes[2 * i].get_ylabel() == label
        for ax, picture in zip(
            axes[2 * i :], one.sample_clips.pictures[key].values(), strict=False
        ):
            (shown,) = ax.get_images()
            np.testing.assert_array_equal(shown.get_array(), picture)
            assert shown.get_clim() == (0, 255)


def test_a_map_over_an_image_is_opaque_where_it_is_great(drawn):
    one = with_overlays(row())
    draw(one)
    (figure,) = drawn
    assert figure.axes[2].get_title() == "tune\nGrad-CAM apex"
    for ax, own in zip(
        figure.axes[2:6:3], one.sample_clips.pictures.values(), strict=True
    ):
        image, over = ax.get_images()
        grey, map = np.moveaxis(own["tune/Grad-CAM apex"], 2, 0)
        np.testing.assert_array_equal(image.get_array(), grey)
        np.testing.assert_array_equal(over.get_array(), map)
        assert image.get_cmap().name == "gray" and over.get_cmap().name == "viridis"
        assert image.get_clim() == over.get_clim() == (0, 255)
        np.testing.assert_allclose(over.get_alpha(), 0.7 * map / 255)


@pytest.mark.parametrize(
    ("name", "told"),
    [("tune/Grad-CAM apex", 1), ("pretrain/some_map", 1), ("tune/image", 0)],
)
def test_the_colours_of_maps_are_told_where_there_are_maps_alone(drawn, name, told):
    clips = with_overlays(row()).sample_clips
    pictures = {key: {name: own[name]} for key, own in clips.pictures.items()}
    shown = dataclasses.replace(clips, pictures=pictures)
    draw(dataclasses.replace(row(), sample_clips=shown))
    bars = drawn[0].axes[2:]
    assert len(bars) == told
    for bar in bars:
        assert [t.get_text() for t in bar.get_yticklabels()] == ["0", "1"]
        assert "viridis" in {c.get_cmap().name for c in bar.collections}


def test_predictions_are_those_of_the_seed_that_drew(drawn):
    r = row().results
    differs = (r.predictions[0, -1] != r.predictions[2, -1]).argmax()
    key = r.keys[differs]
    for seed in (0, 2):
        picture = {key: {"s/a": np.zeros((2, 2), np.uint8)}}
        shown = SampleClips(seed=seed, pictures=picture, filmed=False)
        draw(dataclasses.replace(row(), sample_clips=shown))
    labels = [figure.axes[0].get_ylabel() for figure in drawn]
    assert labels[0] != labels[1]


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_picture_is_stamped_if_and_only_if_synthetic(drawn, synthetic):
    draw(with_clips(row(synthetic=synthetic)))
    assert (STAMP in drawn[0].get_suptitle()) == synthetic
    draw(with_clips(row(missing=3)))
    assert "INCOMPLETE: 5 of 8 folds" in drawn[1].get_suptitle()


def test_labels_do_not_overlap_with_pictures_or_with_each_other(drawn):
    """Eight clips of five columns, with long names, as drawn."""
    one = row("a_very_long_name[system.learning_rate=0.001,data.align=template]")
    name = "pretrain/a_long_name_of_reconstructed_frames_{}"
    pictures = {
        key: {name.format(i): np.zeros((48, 48, 3), np.uint8) for i in range(5)}
        for key in one.results.keys[:8]
    }
    shown = SampleClips(seed=0, pictures=pictures, filmed=True)
    draw(dataclasses.replace(one, sample_clips=shown))
    (figure,) = drawn
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in texts_of(figure)]
    boxes += [ax.get_window_extent() for ax in figure.axes]
    assert len(boxes) >= 8 + 5 + 1 + 40
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            assert not one.overlaps(other)


def test_a_picture_that_a_clip_lacks_is_left_blank(drawn):
    one = with_clips(row())
    first, second = one.sample_clips.pictures
    pictures = dict(one.sample_clips.pictures)
    pictures[second] = {"tune/image": pictures[second]["tune/image"]}
    shown = dataclasses.replace(one.sample_clips, pictures=pictures)
    draw(dataclasses.replace(one, sample_clips=shown))
    counts = [len(ax.get_images()) for ax in drawn[0].axes[:4]]
    assert counts == [1, 1, 0, 1]


def test_names_are_not_read_as_formulas(drawn):
    one = with_clips(row("a$_b$[x=$1$]"))
    assert draw(one).startswith(b"\x89PNG")
    assert drawn[0].get_suptitle().startswith("a$_b$[x=$1$]\n")
