"""Times training steps of MoExt in PyTorch: a worker of moext.py.

One JSON line when ready, then for every line N on standard input one more, what N
training steps took:

    python -m benchmarks.torch_moext --stage objective --size 48 --width 16

A step is forward, backward and Adam with L2 in the gradient. The images, six views
of each clip in stage `pretrain` and two frames in `objective`, lie ready in memory;
nothing reads the loss back. Adam is the fused one.
"""

import argparse
import contextlib
import json
import sys
import time

import torch
from torch.nn import functional

from benchmarks.torch_moext_nets import LADDERS, Objective, Options, Pretraining

CLASSES = 3


class Training:
    """A stage and its step."""

    def __init__(self, args: argparse.Namespace):
        torch.manual_seed(0)
        torch.backends.cudnn.benchmark = True
        self.stage, self.device, self.half = args.stage, args.device, args.half
        options = Options(size=args.size, width=args.width)
        pretrain = args.stage == "pretrain"
        model = Pretraining(options) if pretrain else Objective(options, CLASSES)
        layout = getattr(torch, args.memory)
        self.model = model.to(args.device, memory_format=layout).train()
        frames = 6 if pretrain else 2
        images = torch.rand(args.batch * frames, 3, args.size, args.size)
        images = images.to(args.device, memory_format=layout)
        self.images = images.unflatten(0, (args.batch, frames))
        self.labels = torch.arange(args.batch, device=args.device) % CLASSES
        self.loss = self._loss
        if args.compile != "no":
            self.loss = torch.compile(self._loss, mode=args.compile)
        self.adam = torch.optim.Adam(
            model.parameters(), lr=1e-4, weight_decay=1e-4, fused=True
        )

    def _loss(self):
        if self.stage == "pretrain":
            return self.model.losses(self.images)[0]
        return functional.cross_entropy(self.model(self.images), self.labels)

    def steps(self, count: int) -> None:
        """Takes so many steps and waits for the last."""
        half = torch.autocast(self.device, torch.bfloat16)
        for _ in range(count):
            self.adam.zero_grad(set_to_none=True)
            with half if self.half else contextlib.nullcontext():
                loss = self.loss()
            loss.backward()
            self.adam.step()
        if self.device == "cuda":
            torch.cuda.synchronize()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times training steps, as JSON.")
    parser.add_argument("--stage", choices=("pretrain", "objective"), required=True)
    parser.add_argument("--size", type=int, choices=sorted(LADDERS), default=112)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--memory",
        choices=("contiguous_format", "channels_last"),
        default="channels_last",
    )
    modes = ("no", "default", "reduce-overhead")
    parser.add_argument("--compile", choices=modes, default="no")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--half", action="store_true", help="autocast to bfloat16")
    return parser.parse_args()


def main() -> None:
    """Answers every line of standard input."""
    args = _parse()
    torch.set_num_threads(args.threads)
    start = time.perf_counter()
    training = Training(args)
    training.steps(3)
    ready = {"seconds": time.perf_counter() - start, "torch": torch.__version__}
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        start, busy = time.perf_counter(), time.process_time()
        training.steps(int(line))
        seconds, processor = time.perf_counter() - start, time.process_time() - busy
        print(json.dumps({"seconds": seconds, "processor": processor}), flush=True)


if __name__ == "__main__":
    main()
