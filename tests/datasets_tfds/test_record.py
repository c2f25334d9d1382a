import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from datasets_tfds import record

ROOT = Path(__file__).parents[2]


def test_every_clip_has_the_record_and_its_payload():
    payload = {"flow": tfds.features.Image(shape=(28, 28, 3))}
    features = record.clip_features(payload, ["negative", "positive"])
    names = {"key", "corpus", "subject", "label", "synthetic", "flow"}
    assert set(features) == names
    assert features["label"].names == ["negative", "positive"]
    assert features["synthetic"].np_dtype == np.bool_


def test_a_payload_cannot_redefine_the_record():
    with pytest.raises(ValueError, match="label"):
        record.clip_features({"label": tfds.features.Text()}, ["a", "b"])


def test_a_release_error_is_a_value_error():
    assert issubclass(record.ReleaseError, ValueError)


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys, datasets_tfds\n"
        "heavy = {'numpy', 'tensorflow_datasets', 'jax'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_builders_import_neither_mer_jax_nor_tensorflow():
    code = (
        "import sys\n"
        "from datasets_tfds.megc2019_flow import fake_release\n"
        "from datasets_tfds.megc2019_flow import megc2019_flow_dataset_builder\n"
        "heavy = {'tensorflow', 'jax', 'mer_jax'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
