"""MENet in PyTorch: the baseline of our benchmark, and what our tests compare with.

Written from the description in PeerJ CS 2022, cs-1140, apart from mer_jax, as plain
PyTorch would be: IDNet, too, is of three-dimensional convolutions, one frame long.
Modules have the names of ours, `layer1.0` being our `layer1_0`. Clips are
[B, 3, T, H, W], features [B, T, D], P = h * w positions of a map.
"""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional


@dataclasses.dataclass(frozen=True)
class Options:
    """Sizes and switches, under the names of our config."""

    size: int
    identity_size: int
    frames: int
    width: int
    blocks: int = 2
    learning_rate: float = 1e-4
    critic_learning_rate: float = 1e-4
    num_critic: int = 5
    div: float = 0.1
    mi: float = 0.1
    input_norm: str = "fold"
    dao_apply: str = "residual_pool"
    dao_groups: int | None = None
    pool: str = "global_max"
    critic_inputs: str = "proj256"
    critic_projected: int = 256
    critic_hidden: int = 64
    critic_act: str = "leaky"
    critic_rate: float = 0.01
    div_sim: str = "sqrt_dot"
    div_detach_first: bool = True
    pairs: str = "frame"
    mi_clamp: bool = True
    mi_clip: str = "features"


def at_least_single(x):
    """Returns `x` as float32, or as float64 if it is that."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def convolution(before: int, features: int, size: int, stride: int, time: bool):
    """Returns a convolution that takes every frame, without bias."""
    return nn.Conv3d(
        before,
        features,
        (size if time else 1, size, size),
        (1, stride, stride),
        (size // 2 if time else 0, size // 2, size // 2),
        bias=False,
    )


class BasicBlock(nn.Module):
    """Two convolutions of windows of 3 beside a shortcut."""

    def __init__(self, before: int, features: int, stride: int, time: bool):
        super().__init__()
        self.conv1 = convolution(before, features, 3, stride, time)
        self.bn1 = nn.BatchNorm3d(features)
        self.conv2 = convolution(features, features, 3, 1, time)
        self.bn2 = nn.BatchNorm3d(features)
        self.downsample = None
        if stride != 1 or before != features:
            self.downsample = nn.Sequential(
                convolution(before, features, 1, stride, time),
                nn.BatchNorm3d(features),
            )

    def forward(self, x):
        """Returns [B, features, T, h, w]."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + (self.downsample(x) if self.downsample else x))


class Attention(nn.Module):
    """A branch for each group of `length` frames; the first has no weights.

    Biases before a batch norm, which takes them away again, are left out.
    """

    def __init__(self, channels: int, positions: int, branches: int, kind: str):
        super().__init__()
        self.kind, self.branches = kind, branches
        learned = range(branches - 1)
        self.pointwise = nn.ModuleList(
            nn.Conv3d(channels, 1, 1, bias=False) for _ in learned
        )
        self.mixing = nn.ModuleList(
            nn.Linear(positions, positions, bias=False) for _ in learned
        )
        self.norm = nn.ModuleList(nn.BatchNorm1d(positions) for _ in learned)
        self.norm_out = nn.ModuleList()
        if kind == "residual_pool":
            self.norm_out.extend(nn.BatchNorm1d(channels) for _ in range(branches))
        for norm in self.norm_out:
            nn.init.zeros_(norm.weight)

    def forward(self, x):
        """Returns features like `x` [B, C, T, h, w], and the maps [B, T, P]."""
        length = math.ceil(x.shape[2] / self.branches)
        parts = [self._part(i, part) for i, part in enumerate(x.split(length, 2))]
        features, maps = zip(*parts, strict=True)
        return torch.cat(features, 2), torch.cat(maps, 1)

    def _part(self, branch: int, x):
        flat = x.flatten(3)
        logits = flat.mean(1)
        if branch:
            seen = self.pointwise[branch - 1](x).flatten(3)[:, 0]
            mixed = self.mixing[branch - 1](seen).flatten(0, 1)
            logits = self.norm[branch - 1](mixed).view_as(seen)
        maps = logits.softmax(-1)
        if self.kind == "gate":
            gate = 1 + maps.shape[-1] * maps
            return (flat * gate[:, None]).reshape(x.shape), maps
        added = self.norm_out[branch]((flat * maps[:, None]).sum(-1))
        return x + added[..., None, None], maps


class Branch(nn.Module):
    """A network up to its last map."""

    def __init__(self, options: Options, time: bool):
        super().__init__()
        width, frames = options.width, options.frames
        self.conv0 = convolution(3, width, 7, 2, time)
        self.bn0 = nn.BatchNorm3d(width)
        long = int(time)
        self.maxpool = nn.MaxPool3d((1 + 2 * long, 3, 3), (1, 2, 2), (long, 1, 1))
        further = range(options.blocks - 1)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        for i, stride in enumerate((1, 2, 2, 1), 1):
            first = BasicBlock(widths[i - 1], widths[i], stride, time)
            more = [BasicBlock(widths[i], widths[i], 1, time) for _ in further]
            self.add_module(f"layer{i}", nn.Sequential(first, *more))
        edge = math.ceil((options.size if time else options.identity_size) / 16)
        branches = 1
        if time:  # as many as it takes, of equally many frames
            branches = options.dao_groups or frames
            branches = math.ceil(frames / math.ceil(frames / branches))
        self.attention = Attention(4 * width, edge**2, branches, options.dao_apply)

    def forward(self, x):
        """Returns [B, D, T, h, w] and the attention [B, T, P]."""
        x = self.maxpool(functional.relu(self.bn0(self.conv0(x))))
        x = self.layer3(self.layer2(self.layer1(x)))
        with torch.autocast(x.device.type, enabled=False):
            x, maps = self.attention(at_least_single(x))
        return self.layer4(x), maps


class InputNorm(nn.Module):
    """Standardises colours; the running variance is the biased one."""

    def __init__(self):
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(3))
        self.register_buffer("running_var", torch.ones(3))

    def forward(self, x):
        """Returns clips like `x`."""
        mean, var = self.running_mean, self.running_var
        if self.training:
            var, mean = torch.var_mean(x, (0, 2, 3, 4), correction=0)
            self.running_mean.lerp_(mean, 0.1)
            self.running_var.lerp_(var, 0.1)
        column = lambda value: value[:, None, None, None]
        return (x - column(mean)) / torch.sqrt(column(var) + 1e-5)


def pair_features(map):
    """Returns a frame's spatial maxima, [B, T, D]."""
    return at_least_single(map.flatten(3).max(-1).values.transpose(1, 2))


class Head(nn.Module):
    """The classifier."""

    def __init__(self, features: int, num_classes: int, pool: str):
        super().__init__()
        self.pool = pool
        self.fc = nn.Linear(features, num_classes)

    def forward(self, map):
        """Returns logits [B, K]."""
        x = pair_features(map)
        return self.fc(x.max(1).values if self.pool == "global_max" else x.mean(1))


class Network(nn.Module):
    """MENet, or IDNet, which sees every frame by itself."""

    def __init__(self, options: Options, num_classes: int, motion: bool):
        super().__init__()
        fold = options.input_norm == "fold"
        self.norm = InputNorm() if fold else nn.Identity()
        self.branch = Branch(options, motion)
        self.head = Head(8 * options.width, num_classes, options.pool)

    def found(self, clips):
        """Returns Conv_4's map and the attention."""
        return self.branch(self.norm(clips))

    def forward(self, clips):
        """Returns logits and attention."""
        map, maps = self.found(clips)
        return self.head(map), maps


class Critic(nn.Module):
    """Table 3 of the paper."""

    def __init__(self, options: Options):
        super().__init__()
        features, hidden = 8 * options.width, options.critic_hidden
        self.leaky = options.critic_act == "leaky"
        self.projected = options.critic_inputs == "proj256"
        if self.projected:
            side = options.critic_projected
            self.project_identity = nn.Linear(features, side)
            self.project_motion = nn.Linear(features, side)
            features = side
        self.fc1 = nn.Linear(2 * features, hidden)
        self.fc2 = nn.Linear(hidden, 1)
        self.register_buffer("log_average", torch.tensor(-math.inf))

    def forward(self, identity, motion):
        """Returns scores [N] of features [N, D]."""
        if self.projected:
            identity = self.project_identity(identity)
            motion = self.project_motion(motion)
        x = functional.leaky_relu(self.fc1(torch.cat([identity, motion], 1)), 0.01)
        x = self.fc2(x)[:, 0]
        return functional.leaky_relu(x, 0.01) if self.leaky else x
