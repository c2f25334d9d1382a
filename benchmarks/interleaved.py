"""What our benchmarks against PyTorch share: ways to train, timed in turns.

Every way is a process of its own, started and compiled beforehand. In every round each
takes its turn of a second or so, one after the other, so that a machine whose speed
drifts slows all alike. The figure of a way is the median over rounds of samples per
second; a ratio is the median over rounds of the engine's in the same round, at its
best, over that way's. On a CPU the engine also has a device for every core, as
`mer run` has, and PyTorch a process. The headline is the lowest ratio. Processor time
per sample, of all threads, the least of the rounds, is what is left of a crowded
machine's noise; PyTorch's of 2 threads includes their waiting. All have memory in huge
pages, as `mer run` has (`mer_jax.cli.start`).

On a GPU the engine computes in bfloat16, too, and the table has the utilisation: the
step's products (`mer_jax.ensemble.flops`) over the time and the rate at which the card
was found to multiply large matrices. PyTorch is charged the same products.

Neither JAX nor PyTorch is imported here: workers are, where the other may be missing.
"""

import argparse
import datetime
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mer_jax.cli.start import HUGE_PAGES

HERE = Path(__file__).parent
TURN = 1.0  # seconds, about


def answer(steps: Callable[[int], None], ready: dict) -> None:
    """Prints that a worker is ready; takes N steps for every line N of standard input.

    Args:
      steps: takes so many steps and waits for the last.
      ready: printed first, as a line of JSON; every turn prints one more.
    """
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        start, busy = time.perf_counter(), time.process_time()
        steps(int(line))
        seconds, processor = time.perf_counter() - start, time.process_time() - busy
        print(json.dumps({"seconds": seconds, "processor": processor}), flush=True)


class Way:
    """A worker of its own process, or several at once, and what their turns took."""

    def __init__(
        self,
        name: str,
        samples: int,
        words: list[str],
        *,
        threads: int = 0,
        devices: int = 0,
        copies: int = 1,
    ):
        """Names a way and says how it is started.

        Args:
          name: in the table.
          samples: of a step of one process.
          words: the command.
          threads: OpenMP's, 0 for its default.
          devices: that JAX makes of a CPU, 0 for one.
          copies: processes that take their turns at the same time.
        """
        self.name, self.samples, self.words = name, samples, words
        self.more = {"OMP_NUM_THREADS": threads, "JAX_NUM_CPU_DEVICES": devices}
        self.copies, self.steps = copies, 1
        self.processes: list[subprocess.Popen] = []
        self.seconds: list[float] = []  # per sample, a number a round
        self.processor: list[float] = []

    def start(self, patience: float) -> dict | None:
        """Returns what the worker says when ready; None if it fails or takes longer."""
        # Of a GPU, where JAX would take three quarters, each takes what it needs.
        own = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **HUGE_PAGES, **os.environ}
        own |= {name: str(value) for name, value in self.more.items() if value}
        self.processes = [
            subprocess.Popen(
                self.words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=own,
                cwd=HERE.parent,
                text=True,
            )
            for _ in range(self.copies)
        ]
        timers = [threading.Timer(patience, p.kill) for p in self.processes]
        for timer in timers:
            timer.start()
        ready = [process.stdout.readline() for process in self.processes]
        for timer in timers:
            timer.cancel()
        print(f"{self.name}: {'ready' if all(ready) else 'FAILED'}", file=sys.stderr)
        if not all(ready):
            return None
        taken = self.turn()[0] * self.copies
        self.steps = max(1, round(TURN / (taken * self.samples)))
        return json.loads(ready[0])

    def turn(self) -> tuple[float, float]:
        """Takes steps; returns wall and processor seconds per sample."""
        for process in self.processes:
            process.stdin.write(f"{self.steps}\n")
            process.stdin.flush()
        took = [json.loads(process.stdout.readline()) for process in self.processes]
        whole = self.steps * self.samples * self.copies
        wall = max(each["seconds"] for each in took)
        return wall / whole, sum(each["processor"] for each in took) / whole

    def stop(self) -> None:
        """Ends the workers."""
        for process in self.processes:
            process.stdin.close()
            process.wait()


def ways(
    name: str,
    words: Sequence[str],
    args: argparse.Namespace,
    *,
    channels_last: str = "channels_last",
    graphs: str = "compiled, graphs",
) -> list[Way]:
    """Returns the engine's ways, then PyTorch's.

    Args:
      name: of the module here, whose worker for PyTorch is `torch_<name>`.
      words: what both workers are told of the sizes.
      args: of the command line.
      channels_last: PyTorch's name of that memory format.
      graphs: what the way is called that replays CUDA graphs.
    """
    worker = ["-m", f"benchmarks.{name}", "--worker", *words, "--lanes"]
    torch = [args.torch_python, "-m", f"benchmarks.torch_{name}", *words, "--memory"]
    ours = lambda n: [sys.executable, *worker, str(n)]
    found = [Way(f"engine, lanes {n}", n * args.batch, ours(n)) for n in args.lanes]
    if args.device == "gpu":
        half = [channels_last, "--device", "cuda", "--half", "--compile"]
        modes = {"eager": "no", "compiled": "default", graphs: "reduce-overhead"}
        return found + [
            Way(f"torch {name}", args.batch, [*torch, *half, mode])
            for name, mode in modes.items()
        ]
    cores = os.cpu_count() or 1
    each = {"devices": cores, "samples": cores * args.batch, "words": ours(1)}
    found.append(Way(f"engine, devices {cores}", **each))
    on_cpu = [("contiguous_format", "no")]
    on_cpu += [(channels_last, mode) for mode in ("no", "default")]
    for threads, (memory, mode) in itertools.product(args.threads, on_cpu):
        title = f"torch-{threads} {memory}{', compiled' * (mode != 'no')}"
        more = [memory, "--threads", str(threads), "--compile", mode]
        found.append(Way(title, args.batch, [*torch, *more], threads=threads))
    alone = [channels_last, "--threads", "1", "--compile", "no"]
    everywhere = {"threads": 1, "copies": cores, "words": [*torch, *alone]}
    title = f"torch-1 {channels_last}, {cores} at once"
    return [*found, Way(title, args.batch, **everywhere)]


def measure(what: str, everyone: list[Way], args: argparse.Namespace) -> dict:
    """Runs the rounds of the ways and returns every figure."""
    running, ready = [], {}
    try:
        for way in everyone:
            said = way.start(args.patience)
            if said:
                running.append(way)
                ready[way.name] = said
        for number in range(args.rounds):
            for way in running if number % 2 else reversed(running):
                seconds, processor = way.turn()
                way.seconds.append(seconds)
                way.processor.append(processor)
            print(f"{what}: round {number + 1} of {args.rounds}", file=sys.stderr)
    finally:
        for way in everyone:
            way.stop()
    engines = [way for way in running if way.name.startswith("engine")]
    ours = min(engines, key=lambda way: statistics.median(way.seconds))
    ratios = {
        way.name: statistics.median(
            t / e for t, e in zip(way.seconds, ours.seconds, strict=True)
        )
        for way in running
        if way not in engines
    }
    said = ready[ours.name]
    return {
        "ours": ours.name,
        "failed": [way.name for way in everyone if way not in running],
        "ready_after_seconds": {name: r["seconds"] for name, r in ready.items()},
        "torch": next((r["torch"] for r in ready.values() if "torch" in r), None),
        "provenance": said["provenance"],
        "products_per_sample": said["products"],
        "matrix_rate": said["matrix_rate"],
        "seconds_per_sample": {way.name: way.seconds for way in running},
        "processor_per_sample": {way.name: way.processor for way in running},
        "ratio": ratios,
        "headline": min(
            (ratio for name, ratio in ratios.items() if name.startswith("torch")),
            default=None,
        ),
        **said.get("more", {}),
    }


def show(stage: str, result: dict) -> None:
    """Prints the table of a stage."""
    rate = result["matrix_rate"]
    print(
        f"\n{stage:34}{'samples/s':>10}{'worst':>9}{'best':>9}{'cpu ms':>9}"
        f"{'ratio':>8}" + ("  utilisation" if rate else "")
    )
    for name, seconds in result["seconds_per_sample"].items():
        figures = statistics.median(seconds), max(seconds), min(seconds)
        line = f"{name:34}" + "".join(
            f"{1 / s:{9 + (i == 0)}.1f}" for i, s in enumerate(figures)
        )
        line += f"{1000 * min(result['processor_per_sample'][name]):9.2f}"
        ratio = result["ratio"].get(name)
        line += f"{ratio:8.2f}" if ratio else " " * 8
        if rate:
            line += f"{result['products_per_sample'] / figures[0] / rate:13.1%}"
        print(line)
    for name in result["failed"]:
        print(f"{name:34}{'failed':>10}")
    if result["headline"]:
        print(f"headline: {result['headline']:.2f} x the best of PyTorch")
    for conv, ratio in result.get("products_over_least", {}).items():
        print(f"products over the least, conv {conv}: {ratio:.3f}")


def processor() -> str:
    """Returns the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


def parser(description: str, *, lanes: Sequence[int]) -> argparse.ArgumentParser:
    """Returns a parser of what every benchmark is told, beside its sizes.

    Args:
      description: what the benchmark is.
      lanes: of the engine's ways, unless told.
    """
    parser = argparse.ArgumentParser(
        description=description,
        epilog=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    number = {"nargs": "+", "type": int}
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--lanes", default=tuple(lanes), help="of the engine", **number)
    parser.add_argument("--threads", default=(1, 2), help="of PyTorch", **number)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument(
        "--patience", type=float, default=900, help="seconds until a worker is ready"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


def run(
    name: str,
    args: argparse.Namespace,
    sizes: Sequence[str],
    ways: dict[str, Callable[[], list[Way]]],
) -> None:
    """Measures stages, prints their tables and stores all.

    Args:
      name: of the benchmark.
      args: of the command line; told here which device JAX has.
      sizes: the arguments that are stored as its setting, beside the shared ones.
      ways: of each stage, made when its turn has come.
    """
    backend = "import jax; print(jax.default_backend())"
    args.device = subprocess.check_output(
        [sys.executable, "-c", backend], text=True
    ).split()[-1]
    setting = (*sizes, "rounds", "lanes", "threads", "device")
    load = os.getloadavg()
    stages = {}
    for stage, made in ways.items():
        stages[stage] = measure(stage, made(), args)
        show(stage, stages[stage])
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    result = {
        "date": now,
        "setting": {
            **{name: getattr(args, name) for name in setting},
            "cores": os.cpu_count(),
            "processor": processor(),
            "load": [load, os.getloadavg()],
        },
        "stages": stages,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{name}-{args.size}-{now[:10]}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"stored in {path}")
