"""STSTNet trained fold after fold in eager PyTorch: the baseline of our benchmark.

Network and recipe of Liong et al. 2019 (arXiv 1902.03634) as the authors' PyTorch
code states them: three 3x3 convolutions side by side (3, 5 and 8 filters) on the
28x28 image of u, v and strain, Adam 5e-5, batches of 256 in label-major order
without shuffling, 800 epochs, the last epoch scored.

Two variants compute the same function with the same number of parameters:

    published  three streams, NCHW memory, as the authors wrote it
    fused      one stream of 16 filters, channels-last memory (the default: the
               fastest plain eager form we found)

What was tried, in ms per fold-epoch (431 to 441 clips, 1 thread, torch 2.13.0, one
AMD EPYC core, best and worst of repeated runs on a shared machine):

    published                                 84 - 109
    published, channels-last                 102 - 118   slower
    fused, NCHW                               72 - 141
    fused                                     48 - 73    <- default
    fused, MALLOC_MMAP_THRESHOLD_ and
           MALLOC_TRIM_THRESHOLD_ at 1 GiB    45 - 50
    Adam foreach, fused, for-loop            no difference outside the noise
    flushing denormals                       no difference outside the noise

With 2 threads on 2 idle cores: published 58 to 60, fused 35 to 50 ms; where other
work shares the cores, OpenMP's barriers can make that ten times slower or worse. For
throughput run one single-threaded worker per core (fused, two at once: 52 to 73 ms
each, 46 to 51 with the allocator setting). That setting belongs to the environment,
not to this program: without it glibc returns the activations (14 MB each) to the
kernel every step and pays for the page faults again. Set it when you want the
baseline at its best.

Left out because they only cost time: the authors' DataLoader, reading the loss back
every batch, and the accuracies on training and test clips after every epoch. Not
plain eager PyTorch and not used: compilation, reduced precision, vmap over folds,
pooling before the batch norm.

As a worker, one JSON line on standard output, warm-up excluded:

    python benchmarks/torch_ststnet.py --data flow.npz --folds 0,1,2 --epochs 2

where the npz holds `flow` uint8 [N, 28, 28, 3] (RGB), `label` [N], and `fold` [N],
the fold in which a clip is held out.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

NUM_CLASSES = 3
STREAMS = (3, 5, 8)

VARIANTS = {
    "published": (STREAMS, torch.contiguous_format),
    "fused": ((sum(STREAMS),), torch.channels_last),
}


class TorchSTSTNet(nn.Module):
    """conv 3x3, ReLU, batch norm, max-pool, dropout per stream; then one linear map.

    `[B, 3, 28, 28]` BGR values 0..255, unscaled, to `[B, 3]` logits. Submodules are
    named as in the authors' weight files (conv1, bn1, ..., fc), so that the published
    state dicts load. `streams=(16,)` is the same function: every layer up to the
    linear one treats channels independently, and the fan-in, hence the initial
    distribution, does not depend on the split. `fuse` maps the weights.

    Shapes: 28 + 2 * 2 - 2 = 30 after the convolution; the pooling windows start at
    -1, 2, ..., 26, so 10 after the max-pool and the last row and column are not
    seen; 5 after the mean-pool; 16 * 5 * 5 = 400 features in NCHW order.
    """

    def __init__(self, streams: Sequence[int] = STREAMS, *, dropout: float = 0.5):
        super().__init__()
        self.num_streams = len(streams)
        self.dropout = dropout
        for i, filters in enumerate(streams, start=1):
            self.add_module(f"conv{i}", nn.Conv2d(3, filters, 3, padding=2))
            self.add_module(f"bn{i}", nn.BatchNorm2d(filters))
        self.fc = nn.Linear(sum(streams) * 5 * 5, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits `[B, 3]` of images `[B, 3, 28, 28]`."""
        features = [self._stream(i, x) for i in range(1, self.num_streams + 1)]
        h = features[0] if len(features) == 1 else torch.cat(features, dim=1)
        h = functional.avg_pool2d(h, 2)
        return self.fc(h.flatten(start_dim=1))

    def _stream(self, i: int, x: torch.Tensor) -> torch.Tensor:
        h = self.get_submodule(f"conv{i}")(x)
        h = functional.relu(h, inplace=True)
        h = self.get_submodule(f"bn{i}")(h)
        h = functional.max_pool2d(h, kernel_size=3, stride=3, padding=1)
        return functional.dropout(h, self.dropout, self.training)


def fuse(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict of `streams=(16,)` from one of `streams=(3, 5, 8)`."""
    fused = {}
    for name, value in state.items():
        layer, leaf = name.split(".")
        if layer == "fc" or leaf == "num_batches_tracked":
            if layer in ("fc", "bn1"):
                fused[name] = value
        elif layer.endswith("1"):
            kind = layer[:-1]
            streams = range(1, len(STREAMS) + 1)
            fused[name] = torch.cat([state[f"{kind}{i}.{leaf}"] for i in streams])
    return fused


def to_input(
    clips: np.ndarray, memory_format: torch.memory_format = torch.contiguous_format
) -> torch.Tensor:
    """uint8 `[N, 28, 28, 3]` RGB to float32 `[N, 3, 28, 28]` BGR, 0..255.

    The authors read with OpenCV, whose channel order is BGR, and scale nothing.
    """
    bgr = np.ascontiguousarray(clips[..., ::-1])
    x = torch.from_numpy(bgr).permute(0, 3, 1, 2).float()
    return x.contiguous(memory_format=memory_format)


def label_major(labels: np.ndarray, index: np.ndarray) -> np.ndarray:
    """`index` in the published order: label 0, 1, 2, and as given within a label.

    The authors' loader takes label folders and files as os.listdir returns them and
    their log shows alphabetical order. Nothing is shuffled: in the composite corpus
    the first batch of 256 is all negative clips and the first few positive ones, the
    second the remaining positives and all surprises.
    """
    return index[np.argsort(labels[index], kind="stable")]


def train_fold(
    clips: np.ndarray,
    labels: np.ndarray,
    train_index: np.ndarray,
    *,
    epochs: int = 800,
    batch: int = 256,
    lr: float = 5e-5,
    seed: int = 0,
    threads: int = 1,
    variant: str = "fused",
) -> tuple[TorchSTSTNet, float]:
    """Trains one fold from a fresh initialisation.

    Args:
        clips: uint8 `[N, 28, 28, 3]`, RGB as decoded, of the whole corpus.
        labels: integer `[N]`, 0..2.
        train_index: integer `[M]`, the training clips in the order in which every
            epoch visits them (see `label_major`); the ragged last batch is kept.
        epochs: passes over the training clips.
        batch: clips per step.
        lr: Adam's learning rate.
        seed: of the initialisation and of dropout.
        threads: of PyTorch inside one operation.
        variant: a key of `VARIANTS`.

    Returns:
        The model and the wall-clock seconds of the epochs alone: moving the clips
        into place and building the model are not counted.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    streams, memory_format = VARIANTS[variant]
    model = TorchSTSTNet(streams).to(memory_format=memory_format)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    x = to_input(clips[train_index], memory_format)
    y = torch.from_numpy(labels[train_index].astype(np.int64))
    batches = list(zip(x.split(batch), y.split(batch), strict=True))

    model.train()
    start = time.perf_counter()
    for _ in range(epochs):
        for x_batch, y_batch in batches:
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(model(x_batch), y_batch).backward()
            optimizer.step()
    return model, time.perf_counter() - start


@torch.no_grad()
def predict(model: TorchSTSTNet, clips: np.ndarray) -> np.ndarray:
    """float32 logits `[N, 3]` of uint8 clips `[N, 28, 28, 3]`, in evaluation mode."""
    model.eval()
    return model(to_input(clips)).numpy()


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Seconds per fold-epoch, as JSON.")
    parser.add_argument("--data", required=True, help="npz with flow, label, fold")
    parser.add_argument(
        "--folds",
        required=True,
        type=lambda text: [int(fold) for fold in text.split(",")],
        help="held-out folds, separated by commas",
    )
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=2, help="epochs not counted")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--seed", type=int, default=0, help="fold k takes seed + k")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="fused")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains the folds one after the other and prints what an epoch of each took."""
    args = _parse(argv)
    with np.load(args.data) as data:
        clips, labels, folds = data["flow"], data["label"], data["fold"]

    def run(fold: int, epochs: int) -> tuple[int, float]:
        index = label_major(labels, np.flatnonzero(folds != fold))
        _, seconds = train_fold(
            clips,
            labels,
            index,
            epochs=epochs,
            batch=args.batch,
            lr=args.lr,
            seed=args.seed + fold,
            threads=args.threads,
            variant=args.variant,
        )
        return len(index), seconds

    if args.warmup:
        run(args.folds[0], args.warmup)
    sizes, seconds = zip(*(run(fold, args.epochs) for fold in args.folds), strict=True)
    per_epoch = [value / args.epochs for value in seconds]
    report = {
        "system": "ststnet",
        "framework": f"torch {torch.__version__}",
        "variant": args.variant,
        "threads": args.threads,
        "batch": args.batch,
        "epochs": args.epochs,
        "folds": args.folds,
        "train_clips": sizes,
        "seconds_per_fold_epoch": per_epoch,
        "median_seconds_per_fold_epoch": statistics.median(per_epoch),
        "total_seconds": sum(seconds),
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
