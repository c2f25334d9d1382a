"""One actor, one front-facing grid: drawn once for all tests of the generator."""

import numpy as np
import pytest

from datasets_tfds.synthetic.actor import cast
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.geometry import FaceGrid


@pytest.fixture(scope="session")
def actor():
    """A subject filmed at 64 pixels."""
    return cast(0, "synthetic_casme2/sub01", Camera.close_up(64))


@pytest.fixture(scope="session")
def grid():
    """A symmetric grid: mirroring the face is flipping the columns."""
    x, y = np.meshgrid(np.linspace(-1.2, 1.2, 49), np.linspace(-1, 1.6, 53))
    return FaceGrid(x.astype(np.float32), y.astype(np.float32), scale=20.0)
