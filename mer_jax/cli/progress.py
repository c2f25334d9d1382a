"""Live progress: a bar in a terminal, plain lines where output is piped."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from mer_jax.data.pools import SHARED
from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.pack import Wave

LINE_EVERY = 10.0  # seconds between plain lines


class TrainingProgress:
    """Counts the steps and runs of a sweep; shows speed and time left.

    A step is one run's: a wave of eight runs takes eight at a time.
    """

    def __init__(
        self,
        console: Console,
        *,
        steps: int,
        runs: int,
        shared_steps: int = 0,
        shared: Sequence[str] = (),
    ):
        """Starts with nothing taken.

        Args:
          console: where to show it.
          steps: left to take, of all runs together.
          runs: left to train.
          shared_steps: left to take in stages that are trained once for all folds.
          shared: names of these stages; they come first.
        """
        self._console, self._live = console, console.is_terminal
        self._steps_left, self._runs_left = steps + shared_steps, runs
        self._steps_per_run = steps / max(runs, 1)
        self._stages = ", ".join(shared)
        self._taken = self._landed = 0
        self._wave: Wave | None = None
        self._start: float | None = None
        self._taken_before = 0  # the clock started
        self._printed = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            console=console,
            disable=not self._live,
            transient=True,
        )
        self._task = self._bar.add_task(
            "training", total=self._steps_left, status="compiling"
        )

    @contextmanager
    def shown(self) -> Iterator["TrainingProgress"]:
        """Shows the bar while inside."""
        with self._bar:
            yield self

    def wave(self, wave: Wave) -> None:
        """Takes note of the wave that trains now."""
        former, self._wave = self._shared, wave
        if self._shared:
            self._console.print(self._what())
        elif former:  # steps of another kind: their speed is measured anew
            self._start, self._taken_before = None, self._taken

    def resumed(self, steps: int) -> None:
        """Takes note that the wave had taken `steps` before it was interrupted."""
        self._steps_left -= steps * self._lanes

    def dropped(self, steps: int) -> None:
        """Tells that a wave begins again, which was computed otherwise."""
        self._console.print(
            f"{steps} steps of a wave are taken again: before the interruption it was "
            "computed otherwise: formulation, devices, lanes or versions were others"
        )

    def stepped(self) -> None:
        """Takes note of one step of the wave."""
        now = time.monotonic()
        self._steps_left -= self._lanes
        if self._start is None:  # the first step compiled: the clock starts after it
            self._start = now
            return
        self._taken += self._lanes
        if self._live:
            done, total = self._taken, self._taken + self._steps_left
            status = self._status(now)
            self._bar.update(self._task, completed=done, total=total, status=status)
        elif now - self._printed > LINE_EVERY:
            self._printed = now
            self._console.print(f"{self._status(now)}; {self._what()}")

    def landed(self, run: Run) -> None:
        """Takes note of a finished run."""
        self._landed += 1
        self._runs_left -= 1

    @property
    def _lanes(self) -> int:
        return self._wave.real if self._wave else 0

    @property
    def _shared(self) -> bool:
        """Whether the wave trains for all folds."""
        return self._wave is not None and self._wave.runs[0].fold.name == SHARED

    def _what(self) -> str:
        if self._wave is None:
            return ""
        run = self._wave.runs[0]
        more = f" and {self._lanes - 1} more" if self._lanes > 1 else ""
        if self._shared:
            return (
                f"training {self._stages}, shared by all folds, seed {run.seed}{more}"
            )
        return f"training {run}{more}"

    def _status(self, now: float) -> str:
        taken = self._taken - self._taken_before
        speed = taken / max(now - (self._start or now), 1e-9)
        left = duration(self._steps_left / speed) if speed else "?"
        total = self._landed + self._runs_left
        folds = "" if self._shared else f"{speed / self._steps_per_run:.3g} folds/s, "
        return (
            f"{self._landed} of {total} runs done, {speed:.1f} steps/s, "
            f"{folds}{left} left"
        )


def duration(seconds: float) -> str:
    """Returns seconds as "1 h 02 min", "3 min 04 s" or "5 s"."""
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {s:02d} s" if minutes else f"{s} s"


class Preparing:
    """Progress of data preparation: what begins, then a line every two seconds."""

    def __init__(self, console: Console):
        self._console = console
        self._printed = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Told by the data layer before the first clip and after every one."""
        now = time.monotonic()
        if done == 0:
            self._console.print(what)
        elif now - self._printed > 2:
            self._printed = now
            self._console.print(f"{what}: {done} of {total}")


def console() -> Console:
    """Returns the console of progress and messages, standard error."""
    # The name of a sweep's row holds brackets, which are no markup.
    return Console(file=sys.stderr, highlight=False, soft_wrap=True, markup=False)
