"""How hard the corpora are: what a linear classifier of optical flow reaches."""

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


def load(config):
    """Flow `[N, 392]`, label `[N]` and subject `[N]` of every clip."""
    flows, labels, subjects = [], [], []
    for member in config.corpora:
        for clip in corpus.clips(
            member,
            seed=config.seed,
            size=config.size,
            setting=config.setting,
            label_noise=config.label_noise,
        ):
            flows.append(flow_between(*clip.frames))
            labels.append(clip.annotation.label)
            subjects.append(clip.annotation.subject)
    return np.array(flows), np.array(labels), np.array(subjects)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [("demo", 0.65, 0.80), ("easy", 0.78, 0.90), ("clear", 0.80, 0.99)],
)
def test_ridge_on_optical_flow_reads_most_clips_but_not_all(name, lowest, highest):
    linear_model = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    flows, labels, subjects = load(Builder.builder_configs[name])
    predicted = np.empty_like(labels)
    for subject in np.unique(subjects):
        test = subjects == subject
        mean, std = flows[~test].mean(0), flows[~test].std(0)
        ridge = linear_model.RidgeClassifier(alpha=300, class_weight="balanced")
        ridge.fit((flows[~test] - mean) / std, labels[~test])
        predicted[test] = ridge.predict((flows[test] - mean) / std)
    uf1 = metrics.f1_score(labels, predicted, average="macro")
    assert lowest < uf1 < highest
