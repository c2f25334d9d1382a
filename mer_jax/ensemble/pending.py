"""Device values on their way to the host, checked when they arrive."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.ensemble.experiment import Run
from mer_jax.errors import UserError
from mer_jax.typing import PyTree


@jax.jit
def _finite(tree: PyTree) -> jax.Array:
    """Returns bool[L], whether all numbers of a run are finite."""
    leaves = [x.reshape(len(x), -1) for x in jax.tree.leaves(tree)]
    return jnp.stack([jnp.isfinite(x).all(axis=1) for x in leaves]).all(axis=0)


class Pending:
    """Values of steps taken, fetched later, so that the host never waits for a step.

    Attributes:
      runs: [L] of the wave, for messages.
      stage: name.
      names: of the metrics.
      table: float32[L, T, metrics], filled in.
      logits: float32[L, E, M, K], filled in.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        stage: str,
        names: Sequence[str],
        table: np.ndarray,
        logits: np.ndarray,
    ):
        self.runs, self.stage, self.names = runs, stage, names
        self.table, self.logits = table, logits
        self._metrics: list[tuple[int, list[jax.Array]]] = []
        self._logits: list[tuple[int, jax.Array]] = []

    def add_metrics(self, step: int, metrics: Mapping[str, jax.Array]) -> None:
        """Takes note of the metrics [L] of a step."""
        self._metrics.append((step, [metrics[name] for name in self.names]))

    def add_logits(self, where: int, logits: jax.Array) -> None:
        """Takes note of test logits [L, M, K], stored at epoch number `where`."""
        self._logits.append((where, logits))

    def collect(self, keep: int = 0) -> None:
        """Fetches all but the newest `keep` steps (and their logits) and checks them.

        Raises:
          UserError: for a value that is not finite.
        """
        ready = max(len(self._metrics) - keep, 0)
        for step, values in jax.device_get(self._metrics[:ready]):
            self.table[:, step] = np.stack(values, axis=-1)
            finite = np.isfinite(self.table[:, step]).all(axis=-1)
            if not finite.all():
                lane = int(finite.argmin())
                values = zip(self.names, self.table[lane, step], strict=True)
                shown = ", ".join(f"{name} = {value}" for name, value in values)
                raise self._not_finite(lane, f"step {step}, {shown}")
        del self._metrics[:ready]
        ready = max(len(self._logits) - bool(keep), 0)
        for where, logits in jax.device_get(self._logits[:ready]):
            if not np.isfinite(logits).all():
                lane = int(np.isfinite(logits).all(axis=(1, 2)).argmin())
                raise self._not_finite(lane, "test logits are NaN or infinite")
            self.logits[:, where] = logits
        del self._logits[:ready]

    def check(self, params: PyTree) -> None:
        """Checks parameters [L, ...]; the loss tells of theirs a step later.

        Raises:
          UserError: for a value that is not finite.
        """
        finite = jax.device_get(_finite(params))
        if not finite.all():
            raise self._not_finite(int(finite.argmin()), "parameters")

    def _not_finite(self, lane: int, what: str) -> UserError:
        return UserError(
            f"{self.runs[lane]}: not finite in stage {self.stage!r}: {what}. Nothing "
            "after the last good checkpoint was saved. Lower the learning rate, or "
            "look at the clips of this fold"
        )
