"""From a performance to pictures: warp the portrait, shade the folds, add noise."""

from collections.abc import Iterable

import cv2
import numpy as np

from datasets_tfds.synthetic.performance import Actor, Performance, Setting
from datasets_tfds.synthetic.portrait import OVERSAMPLING, Portrait
from datasets_tfds.synthetic.streams import stream

PIVOT_Y = 0.9  # the head turns about the neck, that far below the eyes


class Scene:
    """The fields of one clip; computed once, shared by its frames."""

    def __init__(self, actor: Actor, performance: Performance):
        self.actor = actor
        self.performance = performance
        grid = actor.portrait.grid
        self._expression = performance.expression.displacement(grid)
        self._shading = performance.expression.shading(grid)
