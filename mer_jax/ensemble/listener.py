"""Whom a sweep tells what happens, and whom it asks."""

import dataclasses
from collections.abc import Callable

from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.runner import Hooks


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
