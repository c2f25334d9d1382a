"""Whom a sweep tells what happens, and whom it asks."""

import dataclasses
from collections.abc import Callable

from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.pack import Wave


class Interrupted(Exception):
    """The user asked to stop; the wave in flight is on disk."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hooks:
    """What the runner tells and asks its caller, between steps.

    Attributes:
      resumed: told how many steps the wave took before it was interrupted.
      dropped: told how many steps are not taken up, as another program took them.
      stepped: called after every step of the wave.
      stop: returns True once the user wants to stop.
      checkpoint_every: seconds between checkpoints.
    """

    resumed: Callable[[int], None] = lambda steps: None
    dropped: Callable[[int], None] = lambda steps: None
    stepped: Callable[[], None] = lambda: None
    stop: Callable[[], bool] = lambda: False
    checkpoint_every: float = 30.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listener:
    """Whom a sweep tells what happens, and whom it asks.

    Attributes:
      wave: told each wave before it trains.
      landed: told each run after it was filed.
      hooks: handed to the runner.
    """

    wave: Callable[[Wave], None] = lambda wave: None
    landed: Callable[[Run], None] = lambda run: None
    hooks: Hooks = Hooks()
