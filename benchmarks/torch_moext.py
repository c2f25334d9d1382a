"""Times training steps of MoExt in PyTorch: a worker of moext.py.

One JSON line when ready, then for every line N on standard input one more, what N
training steps took:

    python -m benchmarks.torch_moext --stage objective --size 48 --width 16

A step is forward, backward and Adam with L2 in the gradient. The images, six views
of each clip in stage `pretrain` and two frames in `objective`, lie ready in memory;
nothing reads the loss back. Adam is the fused one.
"""

import argparse

import torch
from torch.nn import functional

from benchmarks.torch_moext_nets import LADDERS, Objective, Options, Pretraining
from benchmarks.torch_worker import autocast, compiled, parser, work

CLASSES = 3


class Training:
    """A stage and its step."""

    def __init__(self, args: argparse.Namespace):
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
        self.loss = compiled(self._loss, args.compile)
        self.adam = torch.optim.Adam(
            model.parameters(), lr=1e-4, weight_decay=1e-4, fused=True
        )

    def _loss(self):
        if self.stage == "pretrain":
            return self.model.losses(self.images)[0]
        return functional.cross_entropy(self.model(self.images), self.labels)

    def steps(self, count: int) -> None:
        """Takes so many steps."""
        for _ in range(count):
            self.adam.zero_grad(set_to_none=True)
            with autocast(self.device, self.half):
                loss = self.loss()
            loss.backward()
            self.adam.step()


def main() -> None:
    """Answers every line of standard input."""
    told = parser()
    told.add_argument("--stage", choices=("pretrain", "objective"), required=True)
    told.add_argument("--size", type=int, choices=sorted(LADDERS), default=112)
    told.add_argument("--width", type=int, default=64)
    told.add_argument("--batch", type=int, default=8)
    work(told.parse_args(), Training)


if __name__ == "__main__":
    main()
