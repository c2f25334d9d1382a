"""How runs lie on devices: what was asked for, what is chosen, and why."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import jax
from rich.console import Console

from mer_jax.cli.options import RunOptions
from mer_jax.data.prepared import cache_directory
from mer_jax.ensemble import choose
from mer_jax.ensemble.choose import Choice
from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.lift import run_mesh
from mer_jax.ensemble.machine import cores
from mer_jax.ensemble.program import Layout
from mer_jax.ensemble.rows import Row
from mer_jax.ensemble.trial import Trial
from mer_jax.errors import UserError
from mer_jax.report.text import count


def layout_of(options: RunOptions) -> Layout:
    """Returns what was asked for; a wrong number is an error before any work."""
    lanes = 1 if options.lanes is None else options.lanes
    if lanes < 1:
        raise UserError(f"--lanes must be 1 or more, got {lanes}")
    cores_as_devices()
    keep_programs()
    run_mesh(options.devices)
    return Layout(options.devices, lanes, options.spmd, options.frames)


def cores_as_devices() -> None:
    """Makes every core of a CPU a device, unless the environment says how many.

    A run on each core trains more in a minute than one after the other on all.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    told = "JAX_NUM_CPU_DEVICES" in os.environ or "host_platform_device_count" in flags
    config: Any = jax.config
    if told or config.jax_num_cpu_devices >= 0:
        return
    with contextlib.suppress(RuntimeError):  # JAX has computed before, in a notebook
        config.update("jax_num_cpu_devices", cores())


def keep_programs() -> None:
    """Lets compiled programs be found again, unless the environment says where.

    A program is the same, bit for bit, and takes a fraction of the time.
    """
    config: Any = jax.config
    if config.jax_compilation_cache_dir or not config.jax_enable_compilation_cache:
        return
    config.update("jax_compilation_cache_dir", str(cache_directory() / "programs"))
    config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def choice_of(
    options: RunOptions,
    row: Row,
    runs: Sequence[Run],
    layout: Layout,
    ledger: Ledger,
    screen: Console,
    *,
    measure: bool,
    keep: bool,
) -> Choice:
    """Returns how a row is computed: as before in this workdir, else as measured now.

    Args:
      options: of the command.
      row: the row.
      runs: all that are wanted of it, done already or not.
      layout: what was asked for.
      ledger: of the workdir, which may not be there yet.
      screen: told that it takes a while.
      measure: whether trials are allowed.
      keep: whether what is chosen now is written down in the workdir.
    """
    free = frozenset(n for n in choose.FREE if getattr(options, n) is None)
    choice = choose.kept(ledger, row, runs, layout, free=free)
    if choice is None:
        with screen.status("measuring how it is computed fastest"):
            choice = choose.choose(row, runs, layout, free=free, measure=measure)
    if keep and choice.runs == len(runs):  # not for a part of those it is for
        choose.keep(ledger, row, choice)
    return choice


def told(choice: Choice) -> str:
    """Returns it in a line."""
    return f"on {count(choice.devices, 'device')}, {_way(choice)}: {choice.why}"


def _way(of: Choice | Trial) -> str:
    fields = "".join(f", {name}={value}" for name, value in of.fields.items())
    return f"{count(of.lanes, 'lane')} each{fields}"


def explained(choice: Choice) -> Iterator[str]:
    """Yields the lines of what was tried."""
    if not choice.trials:
        return
    yield f"a step of one run, stage {choice.stage}:"
    for trial in choice.trials:
        took = f"{1000 * trial.time:9.3f} ms"
        if trial.seconds is None:
            took = f"{'too large':>12}"
        size = f"{trial.bytes / 1e6:.3g} MB" if trial.bytes else "more than there is"
        yield (
            f"{took}  {_way(trial)}; {size} on each of "
            f"{count(trial.devices, 'device')}, compiled in "
            f"{trial.compile_seconds:.1f} s"
            f"{'  <- chosen' if trial is choice.tried else ''}"
        )
