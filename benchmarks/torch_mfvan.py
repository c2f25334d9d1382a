"""Times training steps of MFVAN in PyTorch: a worker of mfvan.py.

One JSON line when ready, then for every line N on standard input one more, what N
training steps took:

    python -m benchmarks.torch_mfvan --stage classify --size 48 --patch 8 --width 16

A step of `classify` is the teacher's forward pass by its running averages and without a
graph; forward and backward of the student, of three transformers and of all heads; the
sum of all losses; and Adam with L2 in the gradient. Of `identity_removal` it is forward
and backward of teacher and student, and Adam. Apexes and onsets lie ready in memory;
nothing reads a loss back. Adam is the fused one.
"""

import argparse

import torch
from torch import nn
from torch.nn import functional

from benchmarks.torch_mfvan_nets import (
    Heads,
    Options,
    ShallowEncoder,
    Student,
    Teacher,
    Transformers,
)
from benchmarks.torch_worker import autocast, compiled, parser, work

CLASSES = 3
STAGES = ("identity_removal", "classify")


class MFVAN(nn.Module):
    """All nets, and the losses of all stages."""

    def __init__(self, options: Options, num_classes: int):
        super().__init__()
        self.options = options
        self.student = Student(options)
        if options.ri_feature == "residual":
            self.residual = ShallowEncoder(options)
        if options.ri and options.w_ri and options.w_soft:
            self.teacher = Teacher(options)
        if options.scales:
            self.transformers = Transformers(options)
        self.heads = Heads(options, num_classes)

    def begin(self, stage: str) -> list[nn.Parameter]:
        """Returns what a stage trains; the teacher stands still in `classify`."""
        nets = {"teacher": ("teacher",), "identity_removal": ("teacher", "student")}
        default = ("student", "residual", "transformers", "heads")
        learning = nets.get(stage, default)
        for name, net in self.named_children():
            net.train(name in learning).requires_grad_(name in learning)
        return [p for p in self.parameters() if p.requires_grad]

    def found(self, apex):
        """Returns the maps that are classified, the student's onset, the scales."""
        maps, rebuilt = self.student(apex)
        image = apex
        if self.options.ri_feature == "residual":
            image = (apex - rebuilt).abs()
            maps = self.residual(image)
        seen = (image, maps[0], maps[1])
        images = [seen[scale] for scale in self.options.scales]
        return maps, rebuilt, self.transformers(images) if images else []

    def told(self, maps, scales):
        """Returns what the heads say."""
        return self.heads(maps[-1].mean((2, 3)), scales)

    def forward(self, apex):
        """Returns the fused logits."""
        maps, _, scales = self.found(apex)
        return self.told(maps, scales)[0]

    def teacher_losses(self, frames):
        """Returns L_pre."""
        loss = functional.mse_loss(self.teacher(frames), frames)
        return {"L_pre": loss, "loss": loss}

    def identity_removal_losses(self, apex, onset):
        """Returns L_RI and its parts."""
        soft, rebuilt = self.teacher(apex), self.student(apex)[1]
        l_teacher = functional.mse_loss(soft, onset)
        parts = self._removal(rebuilt, onset, soft.detach())
        loss = l_teacher + parts["L_student"] + self.options.w_soft * parts["L_soft"]
        return {"L_teacher": l_teacher, **parts, "loss": loss}

    def _removal(self, rebuilt, onset, soft):
        return {
            "L_student": functional.mse_loss(rebuilt, onset),
            "L_soft": functional.mse_loss(rebuilt, soft),
        }

    def classify_losses(self, apex, onset, labels, counts):
        """Returns L and its parts, of clips of classes [B], of which there are [K]."""
        o = self.options
        maps, rebuilt, scales = self.found(apex)
        y, whole, by_scale, by_mask = self.told(maps, scales)
        focal = lambda logits: self._focal(logits, labels, counts)
        parts = {"L_g": focal(whole) + focal(y) if scales else focal(whole)}
        loss = parts["L_g"]
        if scales:
            mean = lambda losses: sum(losses) / len(scales)
            masks = [scale[3] for scale in scales]
            parts["L_sc"] = mean([focal(logits) for logits in by_scale])
            parts["L_mask"] = mean(self._masked(focal, by_scale, by_mask, masks))
            loss = loss + o.alpha * parts["L_sc"] + o.beta * parts["L_mask"]
        if o.ri and o.w_ri:
            with torch.no_grad():
                soft = self.teacher(apex) if o.w_soft else rebuilt
            parts |= self._removal(rebuilt, onset, soft)
            parts["L_RI"] = parts["L_student"] + o.w_soft * parts["L_soft"]
            loss = loss + o.w_ri * parts["L_RI"]
        return {**parts, "loss": loss}

    def _focal(self, logits, labels, counts):
        o, rows = self.options, torch.arange(len(labels), device=labels.device)
        log_p = logits.log_softmax(1)[rows, labels]
        terms = -((1 - log_p.exp()) ** o.gamma) * log_p
        if o.class_weights == "inverse":
            weights = 1 / counts
            terms = (weights / weights.mean())[labels] * terms
        return terms.mean()

    def _masked(self, focal, by_scale, by_mask, masks):
        o = self.options
        if o.mask_loss == "cls":
            return [focal(logits) for logits in by_mask]
        if o.mask_loss == "area":
            return [((mask.mean(1) - o.rho) ** 2).mean() for mask in masks]
        divergence = lambda of, to: functional.kl_div(
            to.log_softmax(1), of.detach().softmax(1), reduction="batchmean"
        )
        return list(map(divergence, by_scale, by_mask))


class Timed:
    """A training whose images lie ready."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        sizes = ("size", "width", "patch", "features", "depth", "heads", "hidden")
        options = Options(**{name: getattr(args, name) for name in sizes})
        memory = {"memory_format": getattr(torch, args.memory)}
        model = MFVAN(options, CLASSES).to(args.device, **memory)

        def images():
            shape = (args.batch, 3, args.size, args.size)
            return torch.rand(shape).to(args.device, **memory)

        self.clips = [images(), images()]
        if args.stage == "classify":
            labels = torch.arange(args.batch, device=args.device) % CLASSES
            self.clips += [labels, torch.ones(CLASSES, device=args.device)]
        self.losses = compiled(getattr(model, f"{args.stage}_losses"), args.compile)
        learning = model.begin(args.stage)
        self.adam = torch.optim.Adam(learning, lr=1e-4, weight_decay=1e-4, fused=True)

    def steps(self, count: int) -> None:
        """Takes so many steps."""
        for _ in range(count):
            self.adam.zero_grad(set_to_none=True)
            with autocast(self.args.device, self.args.half):
                loss = self.losses(*self.clips)["loss"]
            loss.backward()
            self.adam.step()


def main() -> None:
    """Answers every line of standard input."""
    told = parser()
    told.add_argument("--stage", choices=STAGES, required=True)
    told.add_argument("--size", type=int, default=224)
    told.add_argument("--patch", type=int, default=16)
    told.add_argument("--width", type=int, default=64)
    told.add_argument("--features", type=int, default=192)
    told.add_argument("--depth", type=int, default=4)
    told.add_argument("--heads", type=int, default=3)
    told.add_argument("--hidden", type=int, default=768)
    told.add_argument("--batch", type=int, default=32)
    work(told.parse_args(), Timed)


if __name__ == "__main__":
    main()
