"""Our engine against PyTorch on MENet's second stage, interleaved, as dated JSON.

    python -m benchmarks.menet --size 32 --frames 4 --width 16 --batch 16 --rounds 5

A step of stage `expression` is one forward pass of MENet and one of IDNet, at half the
size; five steps up of the critic; one backward pass of MENet with the gradient of L_MI
clipped where it meets the task's; and Adam. The ways, at equal batch and size:

    engine, lanes L   mer_jax, L runs in one program on one device, all cores; the step
                      that `mer run` takes, from resident clips, which draws mirroring
                      and marginal pairs. Lanes 1 is our sequential way: no `vmap`
    torch ...         a plain PyTorch loop (torch_menet.py) whose clips lie ready in
                      both sizes: with 1 thread or 2, memory contiguous or
                      channels-last, eager or compiled; on a GPU autocast to bfloat16
                      and channels-last

How they are timed and what the table holds: see interleaved.py. A sample is a clip.

A second figure is the products of our step, counted from its program, over what they
have to be: three times those of MENet's forward pass (itself, and the gradients of
features and of weights) and once those of IDNet's. Above 1.05 something is computed
twice. It is given for the convolution that the engine chose here, and for `im2col`,
each multiplication of which is one of the definition.
"""

import argparse
import dataclasses
import functools
import time

from benchmarks import interleaved

STAGE, CLASSES, PEOPLE = "expression", 5, 20
SIZES = ("size", "identity_size", "frames", "width", "batch")


def engine(args: argparse.Namespace) -> None:
    """Answers with steps of our own."""
    import numpy as np

    from benchmarks.engine_worker import on_gpu, work

    start = time.perf_counter()
    config = configured(args, on_gpu())
    program = programmed(config, args.lanes[0])
    rows = np.arange(args.batch, dtype=np.int32)
    work(program, STAGE, rows, lambda *_: products(config), start)


def configured(args: argparse.Namespace, gpu: bool):
    """Returns the system's config."""
    from mer_jax.systems.menet import MENet

    sizes = {name: getattr(args, name) for name in SIZES}
    return MENet(**sizes, precision="bfloat16" if gpu else "float32")


def programmed(config, lanes: int):
    """Returns the programs of so many runs, on two batches of made-up clips."""
    import numpy as np

    from mer_jax.data.folds import Fold
    from mer_jax.data.pools import Resident
    from mer_jax.ensemble.program import Layout, Program

    count = 2 * config.batch
    shape = (count, config.frames, config.size, config.size, 3)
    frames = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    clips = Resident(
        keys=tuple(f"made/up/{i:04d}" for i in range(count)),
        labels=np.arange(count, dtype=np.int32) % CLASSES,
        subject_numbers=np.arange(count, dtype=np.int32) % PEOPLE,
        classes=tuple(f"class {i}" for i in range(CLASSES)),
        features={"clip": frames},
    )
    everyone = np.arange(count)
    folds = (Fold("none", everyone, everyone[:0]),)
    layout = Layout(lanes=lanes)
    return Program(config.build(CLASSES, PEOPLE), clips, folds, layout)


def products(config) -> dict:
    """Returns a step's products per sample, and over what they have to be."""
    least = {
        conv: counted(dataclasses.replace(config, conv=conv))
        for conv in ("auto", "im2col")
    }
    return {
        "products": least["auto"][0] / config.batch,
        "more": {
            "products_over_least": {c: step / of for c, (step, of) in least.items()}
        },
    }


def counted(config) -> tuple[int, int]:
    """Returns the products of a step, and 3 times MENet's and once IDNet's."""
    import jax
    import jax.numpy as jnp

    from mer_jax.ensemble import flops
    from mer_jax.systems.menet.network import evaluated
    from mer_jax.train.step import init_run, train_step

    batch = {
        "clip": jnp.zeros(
            (config.batch, config.frames, config.size, config.size, 3), jnp.uint8
        ),
        "label": jnp.zeros(config.batch, jnp.int32),
        "subject": jnp.zeros(config.batch, jnp.int32),
        "mask": jnp.ones(config.batch, bool),
    }

    def forward(motion, edge):
        net = config.network(CLASSES if motion else PEOPLE, motion=motion)
        seen = jnp.zeros((config.batch, config.frames, edge, edge, 3))
        init = functools.partial(net.init, train=False)
        nets = jax.eval_shape(init, jax.random.key(0), seen, batch["mask"])
        run = lambda nets: evaluated(
            net, (nets["params"], nets["batch_stats"]), seen, batch["mask"]
        )
        return flops.count(run, nets)

    def begun():
        first, stage = stages
        before = first.init(jax.random.key(0), batch)
        finished = {first.name: before}
        counts = jnp.ones(CLASSES, jnp.int32)
        return init_run(stage, jax.random.key(0), jnp.int32(9), counts, batch, finished)

    stages = config.build(CLASSES, PEOPLE).stages[:2]
    step = functools.partial(train_step, stages[1])
    least = 3 * forward(True, config.size) + forward(False, config.identity_size)
    return flops.count(step, jax.eval_shape(begun), batch), least


def ways(args: argparse.Namespace) -> list[interleaved.Way]:
    """Returns the engine's ways, then PyTorch's."""
    words = []
    for name in SIZES:
        words += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    named = {"channels_last": "channels_last_3d", "graphs": "graphs"}
    return interleaved.ways("menet", words, args, **named)


def main() -> None:
    """Measures, prints and stores."""
    parser = interleaved.parser(__doc__, lanes=(1, 2, 4))
    parser.add_argument("--size", type=int, default=256, help="of frames, pixels")
    parser.add_argument("--identity-size", type=int, help="half of it, unless given")
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--width", type=int, default=64, help="of both nets")
    parser.add_argument("--batch", type=int, default=32, help="clips")
    args = parser.parse_args()
    args.identity_size = args.identity_size or args.size // 2
    if args.worker:
        return engine(args)
    interleaved.run("menet", args, SIZES, {STAGE: lambda: ways(args)})


if __name__ == "__main__":
    main()
