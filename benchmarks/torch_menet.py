"""Times training steps of MENet's second stage in PyTorch: a worker of menet.py.

One JSON line when ready, then for every line N on standard input one more, what N
training steps took:

    python -m benchmarks.torch_menet --size 32 --frames 4 --width 16

A step is one forward pass of each net, of IDNet by its running averages and without a
graph; steps up of the critic on other marginal pairs each; one backward pass of MENet
with the gradient of L_MI clipped where it meets the task's; and Adam. The clips, in
both sizes, lie ready in memory; nothing reads a loss back. Adam is the fused one.
"""

import argparse
import math

import torch
from torch import nn
from torch.nn import functional

from benchmarks.torch_menet_nets import (
    Critic,
    Network,
    Options,
    at_least_single,
    pair_features,
)
from benchmarks.torch_worker import autocast, compiled, parser, work

CLASSES, PEOPLE = 5, 20


def log_mean_exp(x):
    """Returns log mean e^x."""
    return x.logsumexp(0) - math.log(len(x))


def map_similarity(maps, kind: str, detach_first: bool):
    """Returns L_div of maps [B, T, P], summed term by term."""
    total, frames = 0.0, maps.shape[1]
    for k in range(1, frames):
        for earlier in range(k):
            a, b = maps[:, k], maps[:, earlier]
            b = b.detach() if detach_first and earlier == 0 else b
            if kind == "sqrt_dot":
                alike = (a.sqrt() * b.sqrt()).sum(-1)
            elif kind == "dot":
                alike = (a * b).sum(-1)
            else:
                alike = functional.cosine_similarity(a, b, dim=-1)
            total = total + alike / k
    return total.mean() / (frames - 1)


def clip_to(gradients, reference):
    """Returns gradients no longer together than `reference`, and the factor."""
    norm = lambda all: torch.stack([at_least_single(t).norm() for t in all]).norm()
    factor = (norm(reference) / norm(gradients).clamp(min=1e-30)).clamp(max=1)
    return [g * factor.to(g.dtype) for g in gradients], factor


class Expression(nn.Module):
    """The stage: MENet and the critic learn, IDNet stands still."""

    def __init__(self, options: Options, classes: int, people: int):
        super().__init__()
        self.options = options
        self.menet = Network(options, classes, motion=True)
        self.idnet = Network(options, people, motion=False).requires_grad_(False)
        self.critic = Critic(options)

    def train(self, mode: bool = True):
        """Sets the mode of all but IDNet, which stays in evaluation mode."""
        super().train(mode)
        self.idnet.eval()
        return self

    def scores(self, own, other, partner):
        """Returns T of joint pairs and of marginal ones, [N] each."""
        if self.options.pairs == "clip":
            own, other = own.amax(1, True), other.amax(1, True)
        rows = own.flatten(0, 1)
        score = lambda person: self.critic(person.flatten(0, 1), rows)
        return score(other), score(other[partner])

    def found(self, own, other, partner):
        """Returns what the critic finds, with the corrected gradient."""
        joint, marginal = self.scores(own, other, partner)
        rate, before = self.options.critic_rate, self.critic.log_average
        now = log_mean_exp(marginal.detach())
        average = torch.logaddexp(before + math.log1p(-rate), now + math.log(rate))
        average = torch.where(before.isinf(), now, average)
        self.critic.log_average.copy_(average)
        ratio = (marginal - average).exp().mean()
        return joint.mean() - (now + ratio - ratio.detach())

    def told(self, map, labels):
        """Returns L_me."""
        return functional.cross_entropy(self.menet.head(map), labels)

    def alike(self, maps):
        """Returns L_div."""
        o = self.options
        return map_similarity(maps, o.div_sim, o.div_detach_first)

    def learned(self, map, other, partner):
        """Returns L_MI."""
        joint, marginal = self.scores(pair_features(map), other, partner)
        information = joint.mean() - log_mean_exp(marginal)
        return information.clamp(min=0) if self.options.mi_clamp else information


class Training:
    """Steps of the stage.

    Attributes:
      stage: the nets.
      half: whether convolutions are of bfloat16.
      mode: of `torch.compile`; "no" for none.
    """

    def __init__(self, stage: Expression, half: bool = False, mode: str = "no"):
        self.stage, self.half = stage, half
        quick = lambda f: compiled(f, mode)
        self.motion = quick(stage.menet.found)
        self.person = quick(stage.idnet.found)
        self.found, self.learned = quick(stage.found), quick(stage.learned)
        self.told, self.alike = quick(stage.told), quick(stage.alike)
        adam = lambda net, rate: torch.optim.Adam(net.parameters(), rate, fused=True)
        o = stage.options
        self.adam = adam(stage.menet, o.learning_rate)
        self.critic_adam = adam(stage.critic, o.critic_learning_rate)

    def step(self, motion, person, labels, partners):
        """Takes a step.

        Args:
          motion: [B, 3, T, S, S], what MENet sees.
          person: [B, 3, T, s, s], what IDNet sees.
          labels: int64[B].
          partners: int64[num_critic + 1, B], marginal pairs of each estimate.

        Returns:
          What the critic found last, L_me, L_div, L_MI, and the clipping factor.
        """
        with autocast(motion.device.type, self.half):
            map, maps = self.motion(motion)
            with torch.no_grad():
                far, _ = self.person(person)
        own, other = pair_features(map.detach()), pair_features(far)
        for partner in partners[:-1]:
            self.critic_adam.zero_grad(set_to_none=True)
            information = self.found(own, other, partner)
            (-information).backward()
            self.critic_adam.step()
        terms, factor = self._descend(map, maps, other, partners[-1], labels)
        return (information, *terms, factor)

    def _descend(self, map, maps, other, partner, labels):
        o, menet = self.stage.options, self.stage.menet
        seen, looked = (x.detach().requires_grad_() for x in (map, maps))
        l_me, l_div = self.told(seen, labels), self.alike(looked)
        l_mi = self.learned(seen, other, partner)
        self.adam.zero_grad(set_to_none=True)
        slope = torch.autograd.grad
        of_map, *of_head = slope(l_me, [seen, *menet.head.parameters()])
        (of_maps,) = slope(o.div * l_div, [looked])
        (push,) = slope(o.mi * l_mi, [seen])
        for leaf, gradient in zip(menet.head.parameters(), of_head, strict=True):
            leaf.grad = gradient
        if o.mi_clip == "parameters":
            leaves = list(menet.branch.parameters())
            task = slope([map, maps], leaves, [of_map, of_maps], retain_graph=True)
            pushed, factor = clip_to(slope([map], leaves, [push]), task)
            for leaf, a, b in zip(leaves, task, pushed, strict=True):
                leaf.grad = a + b
        else:
            factor = torch.ones(())
            if o.mi_clip == "features":
                (push,), factor = clip_to([push], [of_map])
            torch.autograd.backward([map, maps], [of_map + push, of_maps])
        self.adam.step()
        return (l_me, l_div, l_mi), factor


def derangements(count: int, clips: int, device):
    """Returns int64[count, clips]: cycles through all clips in random order."""
    order = torch.rand(count, clips, device=device).argsort(1)
    return torch.empty_like(order).scatter_(1, order, order.roll(-1, 1))


class Timed:
    """A training whose clips lie ready."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        options = Options(args.size, args.identity_size, args.frames, args.width)
        memory = {
            "device": args.device,
            "memory_format": getattr(torch, args.memory),
        }
        stage = Expression(options, CLASSES, PEOPLE).to(**memory).train()
        self.training = Training(stage, args.half, args.compile)
        clip = lambda edge: torch.rand(args.batch, 3, args.frames, edge, edge)
        self.clips = [clip(n).to(**memory) for n in (args.size, args.identity_size)]
        self.labels = torch.arange(args.batch, device=args.device) % CLASSES
        self.estimates = options.num_critic + 1

    def steps(self, count: int) -> None:
        """Takes so many steps."""
        for _ in range(count):
            args = self.args
            partners = derangements(self.estimates, args.batch, args.device)
            self.training.step(*self.clips, self.labels, partners)


def main() -> None:
    """Answers every line of standard input."""
    told = parser("channels_last_3d")
    told.add_argument("--size", type=int, default=256)
    told.add_argument("--identity-size", type=int, default=128)
    told.add_argument("--frames", type=int, default=6)
    told.add_argument("--width", type=int, default=64)
    told.add_argument("--batch", type=int, default=32)
    work(told.parse_args(), Timed)


if __name__ == "__main__":
    main()
