"""Our engine against PyTorch on stages of MFVAN, interleaved, as dated JSON.

    python -m benchmarks.mfvan --size 48 --patch 8 --width 16 --features 48 --depth 2 \\
        --hidden 96 --batch 16 [--torch-python PYTHON]

A step of stage `classify` is one forward pass of the teacher, which stands still, by
its running averages; forward and backward of the student, of three transformers and of
all heads; L_RI + L_g + L_sc + 0.5 L_mask; and Adam with L2. Of `identity_removal` it is
forward and backward of teacher and student with L_RI, and Adam: what `teacher` does is
a part of it. The ways, at equal batch and size:

    engine, lanes L   mer_jax, L runs in one program on one device, all cores; the step
                      that `mer run` takes, from resident clips, which are not turned
                      (`aug="none"`). Lanes 1 is our sequential way: no `vmap`
    torch ...         a plain PyTorch loop (torch_mfvan.py) whose images lie ready: with
                      1 thread or 2, memory contiguous or channels-last, eager or
                      compiled; on a GPU autocast to bfloat16 and channels-last

How they are timed and what the table holds: see interleaved.py. A sample is a clip,
that is its apex and its onset.

A second figure is the products of our step, counted from its program, over what they
have to be: three times those of a forward pass of the nets that learn (itself and the
gradients of features and of weights), and once those of the teacher that stands still.
It is given for the convolution that the engine chose here, and for `im2col`, each
multiplication of which is one of the definition: less than 1, since nobody asks for
gradients of images. Above 1.05 by `im2col` something is computed twice. The other is
more, as gradients of convolutions of stride 2 count zeros in between; utilisation is of
the products of `im2col`.
"""

import argparse
import dataclasses
import functools
import time

from benchmarks import interleaved

STAGES = ("classify", "identity_removal")
CLASSES = ("negative", "positive", "surprise")
SIZES = ("size", "patch", "width", "features", "depth", "heads", "hidden", "batch")


def engine(args: argparse.Namespace) -> None:
    """Answers with steps of our own."""
    import numpy as np

    from benchmarks.engine_worker import on_gpu, work

    start = time.perf_counter()
    config, (stage,) = configured(args, on_gpu()), args.stage
    program = programmed(config, args.lanes[0])
    rows = np.arange(args.batch, dtype=np.int32)
    work(program, stage, rows, lambda *_: products(config, stage), start)


def configured(args: argparse.Namespace, gpu: bool):
    """Returns the system's config."""
    from mer_jax.systems.mfvan import MFVAN

    sizes = {name: getattr(args, name) for name in SIZES}
    return MFVAN(**sizes, aug="none", precision="bfloat16" if gpu else "float32")


def built(config):
    """Returns the system of the stages here, each of which begins with drawn nets."""
    system = config.build(len(CLASSES), 1)
    timed = [stage for stage in system.stages if stage.name in STAGES]
    alone = [dataclasses.replace(stage, init_from=()) for stage in timed]
    return dataclasses.replace(system, stages=tuple(alone))


def programmed(config, lanes: int):
    """Returns the programs of so many runs, on two batches of made-up clips."""
    import numpy as np

    from mer_jax.data.folds import Fold
    from mer_jax.data.pools import Resident
    from mer_jax.ensemble.program import Layout, Program

    count = 2 * config.batch
    shape = (2, count, config.size, config.size, 3)
    apex, onset = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    clips = Resident(
        keys=tuple(f"made/up/{i:04d}" for i in range(count)),
        labels=np.arange(count, dtype=np.int32) % len(CLASSES),
        subject_numbers=np.zeros(count, np.int32),
        classes=CLASSES,
        features={"apex": apex, "onset": onset},
    )
    everyone = np.arange(count)
    folds = (Fold("none", everyone, everyone[:0]),)
    return Program(built(config), clips, folds, Layout(lanes=lanes))


def products(config, stage: str) -> dict:
    """Returns a step's products per sample, and over what they have to be."""
    found = {
        conv: counted(dataclasses.replace(config, conv=conv), stage)
        for conv in ("auto", "im2col")
    }
    return {
        "products": found["im2col"][0] / config.batch,
        "more": {
            "products_over_least": {c: step / of for c, (step, of) in found.items()}
        },
    }


def counted(config, name: str) -> tuple[int, int]:
    """Returns the products of a step of a stage, and the least that they can be."""
    import jax
    import jax.numpy as jnp

    from mer_jax.ensemble import flops
    from mer_jax.systems.mfvan.rebuild import run
    from mer_jax.train.step import init_run, train_step

    key, clips = jax.random.key(0), config.batch
    image, mask = jnp.zeros((clips, config.size, config.size, 3)), jnp.ones(clips, bool)
    label = jnp.zeros(clips, jnp.int32)
    batch = {"apex": image, "onset": image, "label": label, "mask": mask}
    (stage,) = (stage for stage in built(config).stages if stage.name == name)
    nets = config.classification(len(CLASSES))

    def begun():
        counts = jnp.ones(len(CLASSES), jnp.int32)
        return init_run(stage, key, jnp.int32(9), counts, batch, {})

    def forward(net):
        at = state.params[net], state.model_state[net]
        see = functools.partial(run, getattr(nets, net), train=False)
        return flops.count(see, *at, image, mask)

    state = jax.eval_shape(begun)
    step = flops.count(functools.partial(train_step, stage), state, batch)
    if name == "identity_removal":
        return step, 3 * (forward("teacher") + forward("student"))
    find = functools.partial(nets.found, train=False)
    found = flops.count(find, state.params, state.model_state, image, mask)
    return step, 3 * found + forward("teacher")


def ways(stage: str, args: argparse.Namespace) -> list[interleaved.Way]:
    """Returns the engine's ways, then PyTorch's."""
    words = [word for k in SIZES for word in (f"--{k}", str(getattr(args, k)))]
    return interleaved.ways("mfvan", [*words, "--stage", stage], args)


def main() -> None:
    """Measures, prints and stores."""
    parser = interleaved.parser(__doc__, lanes=(1, 2, 4))
    parser.add_argument(
        "--stage", nargs="+", choices=STAGES, default=STAGES[:1], help="one or both"
    )
    parser.add_argument("--size", type=int, default=224, help="of frames, pixels")
    parser.add_argument("--patch", type=int, default=16, help="pixels of the apex")
    parser.add_argument("--width", type=int, default=64, help="of teacher and student")
    parser.add_argument("--features", type=int, default=192, help="of transformers")
    parser.add_argument("--depth", type=int, default=4, help="layers of each")
    parser.add_argument("--heads", type=int, default=3, help="of a layer's attention")
    parser.add_argument("--hidden", type=int, default=768, help="of its perceptron")
    parser.add_argument("--batch", type=int, default=32, help="clips")
    args = parser.parse_args()
    if args.worker:
        return engine(args)
    each = {stage: functools.partial(ways, stage, args) for stage in args.stage}
    interleaved.run("mfvan", args, SIZES, each)


if __name__ == "__main__":
    main()
