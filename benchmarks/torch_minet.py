"""Times training steps of MiNet in PyTorch: a worker of minet.py.

One JSON line when ready, then for every line N on standard input one more, what N
training steps took:

    python -m benchmarks.torch_minet --stage align --size 32 --frames 4 --width 16

A step of `align` is forward and backward of MiNet, forward of MaNet by its running
averages and without a graph, D_s, D_t and C_s, the weighted sum of all five losses with
the reversed gradient, and Adam with L2 in the gradient; of `micro`, MiNet with
cross-entropy. Windows lie elsewhere in every step. Apexes and clips lie ready in
memory; nothing reads a loss back. Adam is the fused one.
"""

import argparse
import math

import torch
from torch import nn
from torch.nn import functional

from benchmarks.torch_minet_nets import (
    Align,
    Options,
    SequenceDiscriminator,
)
from benchmarks.torch_worker import autocast, compiled, parser, work

CLASSES = 3
STEPS = 1000  # of the stage, for how strong the reversal is


class Stacked(SequenceDiscriminator):
    """D_t or C_s of sequences of one length, all of them in one batch."""

    def forward(self, sequences):
        """Returns logits [N, S, O] of S sequences [N, L, D]."""
        x = torch.stack(sequences, 1).flatten(0, 1).transpose(1, 2)
        x = functional.relu(self.norm1(self.conv1(x)))
        x = functional.relu(self.norm2(self.conv2(x)))
        x = functional.relu(self.norm3(self.conv3(x)))
        return self.fc(x.mean(2)).unflatten(0, (-1, len(sequences)))


class Quick(Align):
    """The stage without loops over clips, as who waits for it would write it.

    For the default readings alone: "window", "supcon".
    """

    def __init__(self, options: Options, num_classes: int):
        super().__init__(options, num_classes)
        assert (options.interval_view, options.con_norm) == ("window", "supcon")
        features = 8 * options.width
        self.discriminator_time = Stacked(options, features, 1)
        self.interval = Stacked(options, features, options.intervals)

    def sequences(self, frames, positions):
        """Returns windows of every clip at once."""
        count, spacings = frames.shape[1], [2**i for i in range(self.options.intervals)]
        length, out = count // spacings[-1], []
        for s in spacings:
            start = (positions * (count - (length - 1) * s)).long()
            index = start[:, None] + s * torch.arange(length, device=frames.device)
            index = index[..., None].expand(-1, -1, frames.shape[2])
            out.append(frames.gather(1, index))
        return out

    def contrastive(self, own, labels, far, far_labels):
        """Returns L_con of all anchors at once."""
        every = functional.normalize(torch.cat([own, far]), dim=1)
        classes = torch.cat([labels, far_labels])
        q = every[: len(own)] @ every.T / self.options.temperature
        itself = torch.eye(*q.shape, dtype=torch.bool, device=q.device)
        alike = (labels[:, None] == classes) & ~itself
        log_d = q.masked_fill(itself, -math.inf).logsumexp(1, keepdim=True)
        positives = alike.sum(1)
        attraction = ((log_d - q) * alike).sum(1) / positives.clamp(min=1)
        return attraction.sum() / (positives > 0).sum().clamp(min=1)


class Micro(nn.Module):
    """Stage `micro`: MiNet and its head."""

    def __init__(self, options: Options, num_classes: int):
        super().__init__()
        stage = Align(options, num_classes)
        self.minet, self.head = stage.minet, stage.head

    def forward(self, apex, clip, labels):
        """Returns L_c."""
        _, seen, frames = self.minet(apex, clip)
        logits = self.head(torch.cat([seen, frames.mean(1)], 1))
        return functional.cross_entropy(logits, labels)


class Timed:
    """A training whose clips lie ready."""

    def __init__(self, args: argparse.Namespace):
        self.args, self.taken = args, 0
        sizes = args.size, args.frames, args.width
        options = Options(*sizes, intervals=args.intervals)
        kind = Quick if args.stage == "align" else Micro
        memory = {"memory_format": getattr(torch, args.memory)}
        self.model = kind(options, CLASSES).to(args.device, **memory).train()

        def images(frames):
            shape = (args.batch * frames, 3, args.size, args.size)
            return torch.rand(shape).to(args.device, **memory)

        def clips():
            frames = images(args.frames)
            return images(1), frames.unflatten(0, (args.batch, args.frames))

        self.micro, self.macro = clips(), clips()
        self.labels = torch.arange(args.batch, device=args.device) % CLASSES
        self.strength = torch.zeros((), device=args.device)
        self.loss = compiled(getattr(self, f"_{args.stage}"), args.compile)
        learning = [p for p in self.model.parameters() if p.requires_grad]
        self.adam = torch.optim.Adam(learning, lr=1e-4, weight_decay=1e-4, fused=True)

    def _micro(self, positions):
        return self.model(*self.micro, self.labels)

    def _align(self, positions):
        both = self.labels, self.labels
        seen = self.micro, self.macro
        return self.model.losses(*seen, both, positions, self.strength)[-1]

    def steps(self, count: int) -> None:
        """Takes so many steps."""
        args = self.args
        for _ in range(count):
            self.strength.fill_(math.tanh(5 * self.taken / STEPS))
            self.taken += 1
            positions = torch.rand(2, args.batch, device=args.device)
            self.adam.zero_grad(set_to_none=True)
            with autocast(args.device, args.half):
                loss = self.loss(positions)
            loss.backward()
            self.adam.step()


def main() -> None:
    """Answers every line of standard input."""
    told = parser()
    told.add_argument("--stage", choices=("align", "micro"), required=True)
    told.add_argument("--size", type=int, default=224)
    told.add_argument("--frames", type=int, default=16)
    told.add_argument("--intervals", type=int, default=3)
    told.add_argument("--width", type=int, default=64)
    told.add_argument("--batch", type=int, default=16)
    work(told.parse_args(), Timed)


if __name__ == "__main__":
    main()
