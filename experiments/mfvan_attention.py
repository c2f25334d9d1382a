"""Where kept attention lies: inside the part of the face that moves, or anywhere?

    python -m experiments.mfvan_attention WORKDIR      # of mer run mfvan_demo
    python -m experiments.mfvan_attention WORKDIR --experiment mfvan_demo_residual

Drawn faces tell what moves: the skin that an expression moves at the apex by a quarter
or more of the farthest it moves any. For every scale of every row that was trained, of
the clips that each run held out, this prints the share of the kept attention that lies
inside, and that region's share of the area, which is what attention would have that
looks anywhere; with 95 % intervals, people drawn anew. SYNTHETIC throughout.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import unflatten_dict
from scipy.stats import bootstrap

from datasets_tfds.synthetic.coding_sheet import annotations
from datasets_tfds.synthetic.corpus import NUM_FRAMES, Corpus
from datasets_tfds.synthetic.footage import Camera, film
from datasets_tfds.synthetic.synthetic_dataset_builder import Builder
from mer_jax.cli import files
from mer_jax.data.prepared import cache_directory
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.rows import Row, open_rows

PART = 0.25  # of the greatest motion of a clip
DRAWS, SEED = 2000, 0


def moving(config: str, grid: int) -> dict[str, np.ndarray]:
    """Returns clip key -> float[grid, grid], how much of each patch moves, in [0, 1].

    Args:
      config: of the corpus `synthetic`, such as "plain".
      grid: patches of an edge; a multiple of it are the corpus's pixels.
    """
    drawn = Builder.builder_configs[config]
    found = {}
    for member in drawn.corpora:
        for key, motion in _motions(member, drawn):
            length = np.hypot(*np.moveaxis(motion, -1, 0))
            inside = (length >= PART * length.max()).astype(np.float32)
            found[key] = _patches(inside, grid)
    return found


def _motions(member: Corpus, config) -> Iterator[tuple[str, np.ndarray]]:
    """Yields clip keys and how the expression moves the skin at the apex, [H, W, 2]."""
    camera = Camera.close_up(config.size, member.grey)
    for row in annotations(member, config.seed, config.label_noise):
        footage = film(
            seed=config.seed,
            subject=row.subject,
            clip=row.clip,
            emotion=row.shown,
            camera=camera,
            num_frames=NUM_FRAMES,
            setting=config.setting,
            room=row.room,
        )
        acted = footage.scene.performance.intensity[footage.apex]
        yield row.key, acted * footage.scene.expression


def _patches(image: np.ndarray, grid: int) -> np.ndarray:
    """Returns the means of grid x grid squares of an image of any edge."""
    edge = len(image)
    fine = np.repeat(np.repeat(image, grid, 0), grid, 1)  # squares of whole pixels
    return fine.reshape(grid, edge, grid, edge).mean((1, 3))


def attention(row: Row, ledger: Ledger) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Returns scale -> (clip key, kept attention [grid, grid]) of clips held out.

    Of runs that are not there, or kept no nets, nothing.
    """
    grid = row.system.features["apex"].shape[0] // row.experiment.system.patch
    look = jax.jit(row.system.stages[-1].inspect)
    found: dict[str, list[tuple[str, np.ndarray]]] = {}
    for run in row.runs:
        path = ledger.params_path(run.id)
        if not path.exists():
            continue
        with np.load(path) as archive:
            nets = unflatten_dict({k: archive[k] for k in archive.files}, sep="/")
        apex = row.corpus.features["apex"][run.fold.test]
        batch = {"apex": apex, "mask": np.ones(len(apex), bool)}
        told = look(nets["params"], nets.get("model_state", {}), batch)
        for name in sorted(name for name in told if name.startswith("attention_")):
            maps = np.asarray(told[name]).reshape(-1, grid, grid)
            keys = [row.corpus.keys[i] for i in run.fold.test]
            found.setdefault(name, []).extend(zip(keys, maps, strict=True))
    return found


def shares(
    kept: list[tuple[str, np.ndarray]], inside: dict[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Returns person -> mean shares of attention and of area inside what moves."""
    people: dict[str, list[tuple[float, float]]] = {}
    for key, attention in kept:
        share = (attention * inside[key]).sum() / attention.sum()
        person = key.rsplit("/", 1)[0]
        people.setdefault(person, []).append((share, inside[key].mean()))
    return {who: tuple(np.mean(own, 0)) for who, own in people.items()}


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Returns the mean over people of float[n] and its 95 % interval."""
    drawn = bootstrap(
        (values,), np.mean, n_resamples=DRAWS, method="percentile", rng=SEED
    )
    low, high = drawn.confidence_interval
    return float(values.mean()), float(low), float(high)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--experiment", default="mfvan_demo", help="on drawn faces")
    args = parser.parse_args()
    ledger = Ledger(args.workdir)
    rows = open_rows(files.read(args.experiment), cache=cache_directory())
    found = {row.experiment.name: attention(row, ledger) for row in rows}
    if not any(found.values()):
        parser.error(
            f"{args.workdir} has no nets of {args.experiment}. Expected the workdir "
            f"that `mer run {args.experiment}` names, with --keep-params auto or all"
        )
    (corpus,), system = rows[0].experiment.data.corpora, rows[0].experiment.system
    inside = moving(corpus.split("/")[1], system.size // system.patch)
    print("SYNTHETIC  share inside what moves, of attention | of the area | difference")
    for row, scales in found.items():
        for name, kept in scales.items():
            both = np.array([*shares(kept, inside).values()])
            columns = (both[:, 0], both[:, 1], both[:, 0] - both[:, 1])
            told = ("{:.3f} [{:.3f}, {:.3f}]".format(*interval(c)) for c in columns)
            print(row, name, *told, sep="  ")


if __name__ == "__main__":
    main()
