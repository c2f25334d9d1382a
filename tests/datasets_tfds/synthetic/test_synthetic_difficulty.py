"""How hard the corpora are: what linear classifiers of flow and of pixels reach."""

import cv2
import numpy as np
import pytest

from datasets_tfds.synthetic import corpus
from datasets_tfds.synthetic.synthetic_dataset_builder import Builder


def flow_between(onset, apex):
    """DIS optical flow, averaged over 14 x 14 cells and flattened: `[392]`."""
    pair = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (onset, apex))
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = dis.calc(*pair, None)
    return cv2.resize(flow, (14, 14), interpolation=cv2.INTER_AREA).ravel()


def pixels(*frames):
    """The frames in colour at 32 x 32, flattened, one after another: `[3072]` each."""
    small = (cv2.resize(f, (32, 32), interpolation=cv2.INTER_AREA) for f in frames)
    return np.concatenate([frame.ravel().astype(float) for frame in small])


def load(config, read=flow_between):
    """What `read` makes of a clip's onset and apex, label and subject: `[N, ...]`."""
    features, labels, subjects = [], [], []
    for member in config.corpora:
        for clip in corpus.clips(
            member,
            seed=config.seed,
            size=config.size,
            setting=config.setting,
            label_noise=config.label_noise,
        ):
            features.append(read(*clip.frames))
            labels.append(clip.annotation.label)
            subjects.append(clip.annotation.subject)
    return np.array(features), np.array(labels), np.array(subjects)


def ridge(train, labels, test, alpha):
    """The predicted labels of `test` `[N, D]`."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    mean, std = train.mean(0), train.std(0)
    classifier = linear_model.RidgeClassifier(alpha=alpha, class_weight="balanced")
    classifier.fit((train - mean) / std, labels)
    return classifier.predict((test - mean) / std)


def uf1(labels, predicted):
    metrics = pytest.importorskip("sklearn.metrics")
    return metrics.f1_score(labels, predicted, average="macro")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [("demo", 0.65, 0.80), ("easy", 0.78, 0.90), ("clear", 0.80, 0.99)],
)
def test_ridge_on_optical_flow_reads_most_clips_but_not_all(name, lowest, highest):
    flows, labels, subjects = load(Builder.builder_configs[name])
    predicted = np.empty_like(labels)
    for subject in np.unique(subjects):
        test = subjects == subject
        predicted[test] = ridge(flows[~test], labels[~test], flows[test], alpha=300)
    assert lowest < uf1(labels, predicted) < highest


def onset_pixels(onset, apex):
    del apex
    return pixels(onset)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("read", "name", "seen", "unseen"),
    [
        (flow_between, "confounded", (0.85, 1.0), (0.85, 1.0)),
        (flow_between, "unconfounded", (0.85, 1.0), (0.82, 1.0)),
        (onset_pixels, "confounded", (0.85, 0.92), (0.28, 0.38)),
        (onset_pixels, "unconfounded", (0.0, 0.3), (0.28, 0.38)),
        (pixels, "confounded", (0.85, 0.92), (0.5, 0.7)),
        (pixels, "unconfounded", (0.75, 0.9), (0.85, 1.0)),
        (flow_between, "crowd", (0.84, 1.0), (0.84, 1.0)),
        (onset_pixels, "crowd", (0.4, 0.7), (0.28, 0.38)),
        (flow_between, "few", (0.84, 1.0), (0.85, 1.0)),
        (onset_pixels, "few", (0.5, 0.7), (0.28, 0.38)),
        (pixels, "few", (0.75, 0.9), (0.6, 0.8)),
    ],
)
def test_faces_mislead_who_reads_them_and_motion_misleads_nobody(
    read, name, seen, unseen
):
    """UF1 on other clips of the people trained on, and on those held out."""
    features, labels, subjects = load(Builder.builder_configs[name], read)
    strangers = ("synthetic_balanced/", "synthetic_strangers/")
    held_out = np.array([subject.startswith(strangers) for subject in subjects])
    trained, known = features[~held_out], labels[~held_out]
    predicted = np.empty_like(known)
    for part in range(3):
        test = np.arange(len(known)) % 3 == part  # a third of everybody's clips
        predicted[test] = ridge(trained[~test], known[~test], trained[test], 1000)
    assert seen[0] <= uf1(known, predicted) <= seen[1]
    predicted = ridge(trained, known, features[held_out], 1000)
    assert unseen[0] <= uf1(labels[held_out], predicted) <= unseen[1]
