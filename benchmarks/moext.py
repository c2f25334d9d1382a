"""Our engine against PyTorch on both stages of MoExt, interleaved, as dated JSON.

    python -m benchmarks.moext --size 112 --batch 8 [--torch-python PYTHON]

A step is forward, backward and Adam with L2, in stage `pretrain` of six views of each
clip with reconstruction, L_re, L_st and L_ss, in `objective` of two frames with
cross-entropy. The ways, at equal batch and size:

    engine, lanes L   mer_jax, L runs in one program on one device, all cores; the step
                      that `mer run` takes, from resident clips, which draws the views
    torch ...         a plain PyTorch loop (torch_moext.py) whose images lie ready: with
                      1 thread or 2, memory contiguous or channels-last, eager or
                      compiled; on a GPU autocast to bfloat16 and channels-last

Every way is a process of its own, started and compiled beforehand. In every round each
takes its turn of a second or so, one after the other, so that a machine whose speed
drifts slows all alike. The figure of a way is the median over rounds of samples (clips)
per second; a ratio is the median over rounds of the engine's in the same round, at its
best number of lanes, over that way's. The headline is the lowest ratio. Processor time
per sample, of all threads, the least of the rounds, is what is left of a crowded
machine's noise; PyTorch's of 2 threads includes their waiting.

On a GPU the engine computes in bfloat16, too, and the table has the utilisation: the
step's products (`mer_jax.ensemble.flops`) over the time and the rate at which the card
was found to multiply large matrices. PyTorch is charged the same products.
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
from pathlib import Path

HERE = Path(__file__).parent
STAGES = ("pretrain", "objective")
MATRIX = 8192  # edge of the matrices whose product tells the card's rate
TURN = 1.0  # seconds, about
ON_CPU = (  # memory and compilation of PyTorch
    ("contiguous_format", "no"),
    ("channels_last", "no"),
    ("channels_last", "default"),
)


def engine(args: argparse.Namespace) -> None:
    """Takes N steps for every line N on standard input; prints a JSON line each."""
    import jax
    import numpy as np

    from mer_jax import rng
    from mer_jax.data.folds import Fold
    from mer_jax.data.pools import Resident
    from mer_jax.ensemble import flops
    from mer_jax.ensemble.filing import provenance
    from mer_jax.ensemble.lift import put
    from mer_jax.ensemble.program import Layout, Program
    from mer_jax.systems.moext import MoExt

    start = time.perf_counter()
    gpu = jax.default_backend() == "gpu"
    config = MoExt(
        size=args.size,
        width=args.width,
        batch=args.batch,
        pretrain=args.stage == "pretrain",
        precision="bfloat16" if gpu else "float32",
        aug10="off",
    )
    count, frame = 2 * args.batch, (args.size, args.size, 3)
    draw = np.random.default_rng(0).integers
    clips = Resident(
        keys=tuple(f"made/up/{i:04d}" for i in range(count)),
        labels=np.arange(count, dtype=np.int32) % 3,
        subject_numbers=np.zeros(count, np.int32),
        classes=("negative", "positive", "surprise"),
        features={
            k: draw(256, size=(count, *frame), dtype=np.uint8)
            for k in ("onset", "apex")
        },
    )
    everyone = np.arange(count)
    folds = (Fold("none", everyone, everyone[:0], {"pretraining": everyone}),)
    layout = Layout(devices=1, lanes=args.lanes)
    program = Program(config.build(3, 6), clips, folds, layout)
    keys = jax.random.split(rng.run_key(seed=0, protocol="", fold=""), args.lanes)
    index = np.tile(np.arange(args.batch, dtype=np.int32), (args.lanes, 1))
    keys, total, index = put(
        program.mesh, (keys, np.full(args.lanes, 1000, np.int32), index)
    )
    state = program.init(args.stage)(keys, total, {}, program.clips)
    step = program.step(args.stage, False)
    products = flops.count(step, state, index, program.clips)

    def steps(state, number):
        for _ in range(number):
            state, _ = step(state, index, program.clips)
        return jax.block_until_ready(state)

    state = steps(state, 3)
    ready = {
        "seconds": time.perf_counter() - start,
        "provenance": provenance(program),
        "products": products / args.lanes / args.batch,
        "matrix_rate": matrix_rate() if gpu else None,
    }
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        start, busy = time.perf_counter(), time.process_time()
        state = steps(state, int(line))
        seconds, processor = time.perf_counter() - start, time.process_time() - busy
        print(json.dumps({"seconds": seconds, "processor": processor}), flush=True)


def matrix_rate() -> float:
    """Returns the bfloat16 products of large matrices, FLOP per second."""
    import jax
    import jax.numpy as jnp

    a = jnp.ones((MATRIX, MATRIX), jnp.bfloat16)
    product = jax.jit(lambda a: a @ a)
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        product(a).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * MATRIX**3 / min(seconds)


class Way:
    """A worker of its own process, and what its turns took."""

    def __init__(self, name: str, samples: int, words: list[str], threads: int = 0):
        """Names a way and says how it is started, with how many OpenMP threads."""
        self.name, self.samples, self.words, self.threads = (
            name,
            samples,
            words,
            threads,
        )
        self.steps = 1
        self.seconds: list[float] = []  # per sample, a number a round
        self.processor: list[float] = []

    def start(self, patience: float) -> dict | None:
        """Returns what the worker says when ready; None if it fails or takes longer."""
        own = {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}
        self.process = subprocess.Popen(
            self.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **own},
            cwd=HERE.parent,
            text=True,
        )
        timer = threading.Timer(patience, self.process.kill)
        timer.start()
        ready = self.process.stdout.readline()
        timer.cancel()
        print(f"{self.name}: {'ready' if ready else 'FAILED'}", file=sys.stderr)
        if not ready:
            return None
        taken = self.turn()[0]
        self.steps = max(1, round(TURN / (taken * self.samples)))
        return json.loads(ready)

    def turn(self) -> tuple[float, float]:
        """Takes steps; returns wall and processor seconds per sample."""
        self.process.stdin.write(f"{self.steps}\n")
        self.process.stdin.flush()
        took = json.loads(self.process.stdout.readline())
        whole = self.steps * self.samples
        return took["seconds"] / whole, took["processor"] / whole

    def stop(self) -> None:
        """Ends the worker."""
        self.process.stdin.close()
        self.process.wait()


def ways(stage: str, args: argparse.Namespace) -> list[Way]:
    """Returns the engine's ways, then PyTorch's."""
    words = ["--size", args.size, "--width", args.width, "--batch", args.batch]
    words = [*map(str, words), "--stage", stage]
    engine = [sys.executable, "-m", "benchmarks.moext", "--worker", *words, "--lanes"]
    torch = [args.torch_python, "-m", "benchmarks.torch_moext", *words]
    found = [
        Way(f"engine, lanes {n}", n * args.batch, [*engine, str(n)]) for n in args.lanes
    ]
    if args.device == "gpu":
        half = ["--device", "cuda", "--half", "--memory", "channels_last"]
        return found + [
            Way(f"torch {name}", args.batch, [*torch, *half, "--compile", mode])
            for name, mode in (
                ("eager", "no"),
                ("compiled", "default"),
                ("compiled, graphs", "reduce-overhead"),
            )
        ]
    for threads, (memory, compiled) in itertools.product(args.threads, ON_CPU):
        name = f"torch-{threads} {memory}{', compiled' * (compiled != 'no')}"
        more = ["--threads", str(threads), "--memory", memory, "--compile", compiled]
        found.append(Way(name, args.batch, [*torch, *more], threads))
    return found


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
            if hasattr(way, "process"):
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
        "headline": min(ratios.values(), default=None),
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


def processor() -> str:
    """Returns the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


def parse() -> argparse.Namespace:
    """Returns the arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=112, help="of images, pixels")
    parser.add_argument("--width", type=int, default=64, help="of the backbone")
    parser.add_argument("--batch", type=int, default=20, help="clips")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--lanes", nargs="+", type=int, default=(1, 2, 4, 8))
    parser.add_argument("--threads", nargs="+", type=int, default=(1, 2))
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument(
        "--patience", type=float, default=900, help="seconds until a worker is ready"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measures, prints and stores."""
    args = parse()
    if args.worker:
        args.lanes = args.lanes[0]
        return engine(args)
    backend = "import jax; print(jax.default_backend())"
    args.device = subprocess.check_output(
        [sys.executable, "-c", backend], text=True
    ).split()[-1]
    setting = ("size", "width", "batch", "rounds", "lanes", "threads", "device")
    load = os.getloadavg()
    stages = {}
    for stage in args.stages:
        stages[stage] = measure(stage, ways(stage, args), args)
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
    path = args.out / f"moext-{args.size}-{now[:10]}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"stored in {path}")


if __name__ == "__main__":
    main()
