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

How they are timed and what the table holds: see interleaved.py. A sample is a clip.
"""

import argparse
import functools
import time

from benchmarks import interleaved

STAGES = ("pretrain", "objective")
SIZES = ("size", "width", "batch")


def engine(args: argparse.Namespace) -> None:
    """Answers with steps of our own."""
    import numpy as np

    from benchmarks.engine_worker import on_gpu, work
    from mer_jax.data.folds import Fold
    from mer_jax.data.pools import Resident
    from mer_jax.ensemble import flops
    from mer_jax.ensemble.program import Layout, Program
    from mer_jax.systems.moext import MoExt

    start = time.perf_counter()
    lanes = args.lanes[0]
    config = MoExt(
        size=args.size,
        width=args.width,
        batch=args.batch,
        pretrain=args.stage == "pretrain",
        precision="bfloat16" if on_gpu() else "float32",
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
    everyone = np.arange(count, dtype=np.int32)
    folds = (Fold("none", everyone, everyone[:0], {"pretraining": everyone}),)
    layout = Layout(lanes=lanes)
    program = Program(config.build(3, 6), clips, folds, layout)
    products = lambda *step: {"products": flops.count(*step) / lanes / args.batch}
    work(program, args.stage, everyone[: args.batch], products, start)


def ways(stage: str, args: argparse.Namespace) -> list[interleaved.Way]:
    """Returns the engine's ways, then PyTorch's."""
    words = [word for k in SIZES for word in (f"--{k}", str(getattr(args, k)))]
    return interleaved.ways("moext", [*words, "--stage", stage], args)


def main() -> None:
    """Measures, prints and stores."""
    parser = interleaved.parser(__doc__, lanes=(1, 2, 4, 8))
    parser.add_argument("--size", type=int, default=112, help="of images, pixels")
    parser.add_argument("--width", type=int, default=64, help="of the backbone")
    parser.add_argument("--batch", type=int, default=20, help="clips")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return engine(args)
    each = {stage: functools.partial(ways, stage, args) for stage in args.stages}
    interleaved.run("moext", args, SIZES, each)


if __name__ == "__main__":
    main()
