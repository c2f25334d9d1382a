"""Our engine against PyTorch on STSTNet's LOSO folds, interleaved, as dated JSON.

    python benchmarks/ststnet_loso.py --release FOLDER [--torch-python PYTHON]

Three ways to train the same folds of the real flow for the same epochs, at the
published batch of 256, last batch ragged:

    engine       mer_jax, one process, one lane, a device on each core, as `mer run` has
    torch-2      a plain PyTorch loop, one process, 2 threads
    torch-1x2    two PyTorch processes at once, 1 thread each, half of the folds each

Every round runs each once, one after the other, so that a machine whose speed drifts
slows all alike. The figure of a way is the median over rounds of the wall seconds per
fold-epoch; compiling and warm-up are not counted, evaluation is off on both sides.
The headline is the lower of the two ratios. The PyTorch side comes in two variants,
the structure as published and the fastest plain form we found (torch_ststnet.py); both
are timed and printed. So is the arithmetic floor: the products of a fold-epoch's steps
at the rate at which all cores multiply matrices of 1024.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VARIANTS = ("published", "fused")


def engine_worker(release: str, folds: int, epochs: int) -> None:
    """Trains `folds` folds after one that compiles; prints one JSON line."""
    from mer_jax.data.corpora import Data
    from mer_jax.data.prepared import cache_directory
    from mer_jax.data.protocols import Protocol
    from mer_jax.ensemble.cost import step_flops
    from mer_jax.ensemble.experiment import Experiment
    from mer_jax.ensemble.listener import Hooks
    from mer_jax.ensemble.pack import Wave
    from mer_jax.ensemble.plan import matrix_speed
    from mer_jax.ensemble.program import Layout, Program
    from mer_jax.ensemble.provenance import provenance
    from mer_jax.ensemble.rows import open_rows
    from mer_jax.ensemble.runner import WaveRunner
    from mer_jax.systems.ststnet import STSTNet

    experiment = Experiment(
        name="benchmark",
        system=STSTNet(epochs=epochs),
        protocol=Protocol(name="cde3"),
        data=Data(corpora=("megc2019_flow",), release=release),
        eval_every=epochs,
    )
    (row,) = open_rows([experiment], cache=cache_directory())
    program = Program(row.system, row.corpus, row.folds, Layout())
    seconds, width = [], program.width
    hooks = Hooks(checkpoint_every=float("inf"))
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, folds + width, width):  # the first wave compiles
            wave = Wave(row.runs[start : start + width], width)
            directory = Path(folder) / str(start)
            runner = WaveRunner(program, row.corpus, wave, directory)
            seconds.append(float(runner.run(hooks).seconds[0]))
    products = step_flops(program, "train") * row.steps(row.runs[0])
    told = {
        "seconds": sum(seconds[1:]) / (width * (len(seconds) - 1)) / epochs,
        "floor": products / matrix_speed(),
        "provenance": provenance(program),
    }
    print(json.dumps(told))


def write_clips(release: str, path: Path) -> None:
    """Writes the clips where the PyTorch workers can read them."""
    import numpy as np

    from mer_jax.data.corpora import Data, load
    from mer_jax.data.prepared import cache_directory
    from mer_jax.data.protocols import Protocol
    from mer_jax.systems.ststnet import STSTNet

    data = Data(corpora=("megc2019_flow",), release=release)
    features = STSTNet().build(3, 6).features
    protocol = Protocol(name="cde3")
    corpus = load(data, protocol, features, cache=cache_directory())
    fold = np.zeros(len(corpus.keys), int)
    for number, held_out in enumerate(protocol.folds(corpus)):
        fold[held_out.test] = number
    np.savez(path, flow=corpus.features["flow"], label=corpus.labels, fold=fold)


@dataclasses.dataclass(frozen=True)
class Torch:
    """How to start PyTorch workers."""

    python: str
    clips: Path
    epochs: int
    variant: str

    def seconds(self, shares: list[list[int]], threads: int) -> float:
        """Returns wall seconds per fold-epoch of one process per share of the folds."""
        command = [self.python, str(HERE / "torch_ststnet.py"), "--data", self.clips]
        command += ["--epochs", self.epochs, "--threads", threads]
        command += ["--variant", self.variant]
        workers = [
            subprocess.Popen(
                [*map(str, command), "--folds", ",".join(map(str, share))],
                stdout=subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
                text=True,
            )
            for share in shares
        ]
        outputs = [worker.communicate()[0] for worker in workers]
        if any(worker.returncode for worker in workers):
            sys.exit("a PyTorch worker failed; its message is above")
        # The processes share the machine: together they do len(shares) at a time.
        each = [json.loads(out)["median_seconds_per_fold_epoch"] for out in outputs]
        return statistics.mean(each) / len(shares)


def engine_seconds(release: str, folds: int, epochs: int) -> dict:
    """Returns what the engine's worker printed."""
    words = ["--worker", "--folds", folds, "--epochs", epochs, "--release", release]
    command = [sys.executable, __file__, *map(str, words)]
    own = {**os.environ, "JAX_NUM_CPU_DEVICES": str(os.cpu_count())}
    out = subprocess.check_output(command, env=own, text=True)
    return json.loads(out.splitlines()[-1])


def measure(args: argparse.Namespace) -> dict:
    """Runs the rounds and returns every figure."""
    samples: dict[str, list[float]] = {}
    record = lambda name, seconds: samples.setdefault(name, []).append(seconds)
    halves = [list(range(i, args.folds, 2)) for i in range(2)]
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "clips.npz"
        write_clips(args.release, clips)
        for number in range(args.rounds):
            ours = engine_seconds(args.release, args.folds, args.epochs)
            record("engine", ours["seconds"])
            record("floor", ours["floor"])
            for variant in VARIANTS:
                torch = Torch(args.torch_python, clips, args.epochs, variant)
                record(f"torch-2 {variant}", torch.seconds([sum(halves, [])], 2))
                record(f"torch-1x2 {variant}", torch.seconds(halves, 1))
            print(f"round {number + 1} of {args.rounds} done", file=sys.stderr)
    medians = {name: statistics.median(values) for name, values in samples.items()}
    engine = samples["engine"]
    ratios = {
        name: statistics.median(t / e for t, e in zip(values, engine, strict=True))
        for name, values in samples.items()
        if name not in ("engine", "floor")
    }
    version = "import torch; print(torch.__version__)"
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "setting": {
            "batch": 256,
            "folds": args.folds,
            "epochs": args.epochs,
            "rounds": args.rounds,
            "cores": os.cpu_count(),
            "processor": processor(),
        },
        "torch": subprocess.check_output(
            [args.torch_python, "-c", version], text=True
        ).strip(),
        "provenance": ours["provenance"],
        "seconds_per_fold_epoch": samples,
        "median": medians,
        "ratio": ratios,
        "headline": {
            v: min(ratios[f"torch-2 {v}"], ratios[f"torch-1x2 {v}"]) for v in VARIANTS
        },
    }


def processor() -> str:
    """Returns the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


def show(result: dict) -> None:
    """Prints the table."""
    print(f"{'':22}{'ms per fold-epoch':>18}{'min':>8}{'max':>8}{'ratio':>8}")
    for name, values in result["seconds_per_fold_epoch"].items():
        ms = [1000 * v for v in (statistics.median(values), min(values), max(values))]
        ratio = f"{result['ratio'][name]:8.2f}" if name in result["ratio"] else ""
        print(f"{name:22}{ms[0]:18.1f}{ms[1]:8.1f}{ms[2]:8.1f}{ratio}")
    above = result["median"]["engine"] / result["median"]["floor"]
    print(f"engine: {above:.1f} times the arithmetic floor")
    for variant, ratio in result["headline"].items():
        print(f"headline, PyTorch {variant}: {ratio:.2f} x (the lower ratio)")


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--release", required=True, help="the real flow's folder")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return engine_worker(args.release, args.folds, args.epochs)
    result = measure(args)
    show(result)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"ststnet_loso-{result['date'][:10]}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"stored in {path}")


if __name__ == "__main__":
    main()
