"""Our engine against PyTorch on two stages of MiNet, interleaved, as dated JSON.

    python -m benchmarks.minet --size 32 --frames 8 --width 16 [--torch-python PYTHON]

A step of stage `align` is forward and backward of MiNet; forward of MaNet, which stands
still, by its running averages; D_s, D_t and C_s; L_c + 0.1 L_s + 0.2 L_sam + 0.2 L_t
+ 0.1 L_con, the gradient of L_s and L_t reversed on its way to MiNet; and Adam with L2.
Of `micro`, which has one input, it is MiNet with L_c, and Adam. The ways, at equal
batch and size:

    engine, lanes L   mer_jax, L runs in one program on one device, all cores; the step
                      that `mer run` takes, from resident clips, of `align` those of a
                      pool `macro`, too, as the second input. Clips are not augmented
                      (`aug="none"`), only standardised; MaNet computes in every step.
                      Lanes 1 is our sequential way: no `vmap`
    remembered        the same with lanes 1, but MaNet's features of every clip were
                      computed beforehand; its ratio is what is left of the time
    torch ...         a plain PyTorch loop (torch_minet.py) whose clips lie ready: with
                      1 thread or 2, memory contiguous or channels-last, eager or
                      compiled; on a GPU autocast to bfloat16 and channels-last

How they are timed and what the table holds: see interleaved.py. A sample is a clip of
micro-expressions, in `align` with the clip of macro-expressions beside it.

A second figure is the products of our step, counted from its program, over what they
have to be: three times those of a forward pass of MiNet and of D_s, D_t and C_s (itself
and the gradients of features and of weights), and once those of MaNet's. It is given
for the convolution that the engine chose here, and for `im2col`, each multiplication of
which is one of the definition: 0.98 as published, since nobody asks for gradients of
images, and less of narrow nets. Above 1.05 something is computed twice.
"""

import argparse
import dataclasses
import functools
import time

from benchmarks import interleaved

STAGES = ("align", "micro")
ENCODERS = ("resnet18",)  # of torch_minet_nets.py
CLASSES = ("negative", "positive", "surprise")
SIZES = ("size", "frames", "intervals", "width", "batch")


def engine(args: argparse.Namespace) -> None:
    """Answers with steps of our own."""
    import numpy as np

    from benchmarks.engine_worker import on_gpu, work

    start = time.perf_counter()
    config = configured(args, on_gpu())
    program = programmed(config, args.lanes[0])
    rows = np.arange(args.batch, dtype=np.int32)
    if args.stage == "align":
        rows = np.concatenate([rows, 2 * args.batch + rows])  # the pool comes last
    work(program, args.stage, rows, lambda *_: products(config, args.stage), start)


def configured(args: argparse.Namespace, gpu: bool):
    """Returns the system's config."""
    from mer_jax.systems.minet import MiNet

    return MiNet(
        **{name: getattr(args, name) for name in SIZES},
        encoder=args.encoder,
        aug="none",
        remember=args.remember,
        precision="bfloat16" if gpu else "float32",
    )


def programmed(config, lanes: int):
    """Returns the programs of so many runs, on two batches of either domain."""
    import numpy as np

    from mer_jax.data.folds import Fold
    from mer_jax.data.pools import Resident
    from mer_jax.ensemble.program import Layout, Program

    count = 4 * config.batch
    shape = (count, config.frames, config.size, config.size, 3)
    frames = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    micro, macro = np.split(np.arange(count), 2)
    clips = Resident(
        keys=tuple(f"made/up/{i:04d}" for i in range(count)),
        labels=np.arange(count, dtype=np.int32) % len(CLASSES),
        subject_numbers=np.where(np.arange(count) < len(micro), 0, -1).astype(np.int32),
        classes=CLASSES,
        features={"rise": frames},
    )
    folds = (Fold("none", micro, micro[:0], {"macro": macro}),)
    layout = Layout(lanes=lanes)
    return Program(config.build(len(CLASSES), 1), clips, folds, layout)


def products(config, stage: str) -> dict:
    """Returns a step's products per sample, and over what they have to be."""
    found = {
        conv: counted(dataclasses.replace(config, conv=conv), stage)
        for conv in ("auto", "im2col")
    }
    return {
        "products": found["auto"][0] / config.batch,
        "more": {
            "products_over_least": {c: step / of for c, (step, of) in found.items()}
        },
    }


def counted(config, name: str) -> tuple[int, int]:
    """Returns the products of a step of a stage, and the least that they can be."""
    import jax
    import jax.numpy as jnp

    from mer_jax.ensemble import flops
    from mer_jax.systems.minet.judges import Judges
    from mer_jax.train.step import init_run, train_step

    key, clips = jax.random.key(0), config.batch
    shape = (clips, config.frames, config.size, config.size, 3)
    one = {
        "rise": jnp.zeros(shape, jnp.uint8),
        "label": jnp.zeros(clips, jnp.int32),
        "subject": jnp.zeros(clips, jnp.int32),
        "mask": jnp.ones(clips, bool),
    }
    stages = {s.name: s for s in config.build(len(CLASSES), 1).stages}
    stage = stages[name]
    batch = {**one, **dict.fromkeys(stage.beside, one)}
    nets = config.networks(len(CLASSES))
    seen = jax.eval_shape(config.unchanged, one)

    def forward(params, statistics, seen):
        at = params["minet"], statistics["minet"]
        return nets.find(*at, seen, one["mask"], train=False)[0]

    def begun():
        sources = {t.stage for t in stage.init_from}
        finished = {source: stages[source].init(key, one) for source in sources}
        counts = jnp.ones(len(CLASSES), jnp.int32)
        return init_run(stage, key, jnp.int32(9), counts, batch, finished)

    state = jax.eval_shape(begun)
    own = state.params, state.model_state, seen
    least = 3 * flops.count(forward, *own)
    if name == "align":
        found = jax.eval_shape(forward, *own)
        both = jax.tree.map(lambda x: jnp.zeros((2 * clips, *x.shape[1:])), found)
        judged = functools.partial(Judges(config, nets).init, key)  # one pass of each
        shown = flops.count(judged, both, jnp.ones(2 * clips, bool))
        least += flops.count(forward, *own) + 3 * shown
    return flops.count(functools.partial(train_step, stage), state, batch), least


def ways(stage: str, args: argparse.Namespace) -> list[interleaved.Way]:
    """Returns the engine's ways, then PyTorch's."""
    words = [word for k in SIZES for word in (f"--{k}", str(getattr(args, k)))]
    found = interleaved.ways("minet", [*words, "--stage", stage], args)
    if stage == "align":
        worker = [*found[0].words[:-1], "1", "--remember"]
        found.append(interleaved.Way("remembered", args.batch, worker))
    return found


def parse() -> argparse.Namespace:
    """Returns the arguments."""
    parser = interleaved.parser(__doc__, lanes=(1, 2, 4))
    parser.add_argument("--size", type=int, default=224, help="of frames, pixels")
    parser.add_argument("--frames", type=int, default=16, help="of a clip")
    parser.add_argument(
        "--intervals",
        type=int,
        help="at which frames are sampled; unless given 3, or 2 of less than 8 frames",
    )
    parser.add_argument("--width", type=int, default=64, help="of all encoders")
    parser.add_argument("--batch", type=int, default=16, help="clips of either domain")
    parser.add_argument("--encoder", choices=ENCODERS, default=ENCODERS[0])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--remember", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.intervals = args.intervals or (3 if args.frames >= 8 else 2)
    longest = 2 ** (args.intervals - 1)
    if args.frames % longest or args.frames < 2 * longest:
        parser.error(
            f"--frames {args.frames}: windows at {args.intervals} intervals need a "
            f"multiple of {longest}, and at least {2 * longest}"
        )
    return args


def main() -> None:
    """Measures, prints and stores."""
    args = parse()
    if args.worker:
        return engine(args)
    each = {stage: functools.partial(ways, stage, args) for stage in args.stages}
    interleaved.run("minet", args, (*SIZES, "encoder"), each)


if __name__ == "__main__":
    main()
