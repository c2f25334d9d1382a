"""MiNet in PyTorch: the baseline of our benchmark, and what our tests compare with.

Written from the description in Xia & Wang 2021 (IJCAI), apart from mer_jax, as plain
PyTorch would be. Modules have the names of ours, `layer1.0` being our `layer1_0`.
Apexes are [B, 3, S, S], clips [B, T, 3, S, S], features [B, T, D].
"""

import dataclasses

import torch
from torch import nn
from torch.nn import functional


@dataclasses.dataclass(frozen=True)
class Options:
    """Sizes and switches, under the names of our config."""

    size: int
    frames: int
    width: int
    blocks: int = 2
    disc_features: int = 256
    intervals: int = 3
    interval_view: str = "window"
    aggregate: str = "mean"
    disc_norm: str = "group"
    con_norm: str = "supcon"
    temperature: float = 0.07
    ls: float = 0.1
    lsam: float = 0.2
    lt: float = 0.2
    lcon: float = 0.1


def convolution(before: int, features: int, size: int, stride: int = 1):
    """Returns a convolution without bias, padded by half its window."""
    return nn.Conv2d(before, features, size, stride, size // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, before: int, features: int, stride: int):
        super().__init__()
        self.conv1 = convolution(before, features, 3, stride)
        self.bn1 = nn.BatchNorm2d(features)
        self.conv2 = convolution(features, features, 3)
        self.bn2 = nn.BatchNorm2d(features)
        self.downsample = None
        if stride != 1 or before != features:
            self.downsample = nn.Sequential(
                convolution(before, features, 1, stride), nn.BatchNorm2d(features)
            )

    def forward(self, x):
        """Returns [B, features, h, w]."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    """A ResNet-18 without pooling and classifier, if there are two blocks a stage."""

    def __init__(self, width: int, blocks: int):
        super().__init__()
        self.conv1 = convolution(3, width, 7, 2)
        self.bn1 = nn.BatchNorm2d(width)
        before = width
        for i in range(4):
            features = width * 2**i
            first = BasicBlock(before, features, 2 if i else 1)
            more = [BasicBlock(features, features, 1) for _ in range(blocks - 1)]
            self.add_module(f"layer{i + 1}", nn.Sequential(first, *more))
            before = features

    def forward(self, x):
        """Returns [B, D, h, w]."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(x, 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class TwoStream(nn.Module):
    """A net of the apex and a net of every frame."""

    def __init__(self, options: Options):
        super().__init__()
        self.spatial = ResNet(options.width, options.blocks)
        self.temporal = ResNet(options.width, options.blocks)

    def forward(self, apex, clip):
        """Returns the map [B, D, h, w] of the apex, and features [B, D], [B, T, D]."""
        map = self.spatial(apex)
        frames = self.temporal(clip.flatten(0, 1)).mean((2, 3))
        return map, map.mean((2, 3)), frames.unflatten(0, clip.shape[:2])


class Aggregate(nn.Module):
    """What all sampling intervals come to."""

    def __init__(self, options: Options):
        super().__init__()
        self.intervals, self.kind = options.intervals, options.aggregate
        if self.kind == "attention":
            self.logits = nn.Parameter(torch.zeros(self.intervals))

    def forward(self, frames):
        """Returns [B, D], or [B, S * D] of "concat", from features [B, T, D]."""
        views = [frames[:, :: 2**i].mean(1) for i in range(self.intervals)]
        if self.kind == "concat":
            return torch.cat(views, 1)
        weights = frames.new_full((self.intervals,), 1 / self.intervals)
        if self.kind == "attention":
            weights = self.logits.softmax(0)
        return sum(w * view for w, view in zip(weights, views, strict=True))


class Classifier(nn.Module):
    """One linear layer."""

    def __init__(self, features: int, num_classes: int):
        super().__init__()
        self.fc = nn.Linear(features, num_classes)

    def forward(self, z):
        """Returns logits [B, K]."""
        return self.fc(z)


def norm_of(kind: str, features: int, batch: type[nn.Module]) -> nn.Module:
    """Returns a norm; groups are of 8 features."""
    if kind == "batch":
        return batch(features)
    if kind == "group":
        return nn.GroupNorm(features // 8, features)
    return nn.Identity()


class MapDiscriminator(nn.Module):
    """D_s."""

    def __init__(self, options: Options, before: int):
        super().__init__()
        features, kind = options.disc_features, options.disc_norm
        for i in (1, 2, 3):
            layer = nn.Conv2d(before, features, 3, 1, 1, bias=kind == "none")
            self.add_module(f"conv{i}", layer)
            self.add_module(f"norm{i}", norm_of(kind, features, nn.BatchNorm2d))
            before = features
        self.fc = nn.Linear(features, 1)

    def forward(self, x):
        """Returns logits [N] of maps [N, D, h, w]."""
        x = functional.relu(self.norm1(self.conv1(x)))
        x = functional.max_pool2d(x, 2) if x.shape[-1] > 1 else x
        x = functional.relu(self.norm2(self.conv2(x)))
        x = functional.max_pool2d(x, 2) if x.shape[-1] > 1 else x
        x = functional.relu(self.norm3(self.conv3(x)))
        return self.fc(x.mean((2, 3)))[:, 0]


class SequenceDiscriminator(nn.Module):
    """D_t, or C_s."""

    def __init__(self, options: Options, before: int, outputs: int):
        super().__init__()
        features, self.kind = options.disc_features, options.disc_norm
        for i in (1, 2, 3):
            layer = nn.Conv1d(before, features, 3, 1, 1, bias=self.kind == "none")
            self.add_module(f"conv{i}", layer)
            self.add_module(f"norm{i}", norm_of(self.kind, features, nn.BatchNorm1d))
            before = features
        self.fc = nn.Linear(features, outputs)

    def forward(self, sequences):
        """Returns logits [N, S, O] of S sequences [N, L, D], of any lengths."""
        xs = [x.transpose(1, 2) for x in sequences]
        layers = ((self.conv1, self.norm1), (self.conv2, self.norm2))
        for convolve, norm in (*layers, (self.conv3, self.norm3)):
            xs = [convolve(x) for x in xs]
            if self.kind == "batch":  # of all sequences together
                lengths = [x.shape[2] for x in xs]
                xs = norm(torch.cat(xs, 2)).split(lengths, 2)
            else:
                xs = [norm(x) for x in xs]
            xs = [functional.relu(x) for x in xs]
        return torch.stack([self.fc(x.mean(2)) for x in xs], 1)


class Reverse(torch.autograd.Function):
    """The identity, whose gradient is turned."""

    @staticmethod
    def forward(ctx, x, strength):
        """Returns `x`."""
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        """Returns minus the gradient, times the strength."""
        return -ctx.strength * gradient, None


def sequences(frames, positions, options: Options):
    """Returns every s-th of the frames [B, T, D], for each s."""
    count, spacings = frames.shape[1], [2**i for i in range(options.intervals)]
    if options.interval_view == "whole":
        return [frames[:, ::s] for s in spacings]
    length, out = count // spacings[-1], []
    for s in spacings:
        places = count - (length - 1) * s
        windows = []
        for clip, position in zip(frames, positions, strict=True):
            start = int(position * places)
            windows.append(clip[start : start + (length - 1) * s + 1 : s])
        out.append(torch.stack(windows))
    return out


def contrastive(own, labels, far, far_labels, options: Options):
    """Returns L_con, anchor by anchor."""
    every = functional.normalize(torch.cat([own, far]), dim=1)
    classes = torch.cat([labels, far_labels])
    literal, terms = options.con_norm == "literal", []
    for j in range(len(own)):
        q = every @ every[j] / options.temperature
        other = torch.arange(len(every)) != j
        alike = other & (classes == labels[j])
        if not alike.any():
            continue
        log_d = q.logsumexp(0) if literal else q[other].logsumexp(0)
        attraction = log_d - q[alike]
        terms.append(attraction.sum() if literal else attraction.mean())
    return sum(terms) if literal else sum(terms) / len(terms)


class Align(nn.Module):
    """Stage 1: MiNet and all discriminators learn, MaNet stands still."""

    def __init__(self, options: Options, num_classes: int):
        super().__init__()
        self.options = options
        features = 8 * options.width
        views = options.intervals if options.aggregate == "concat" else 1
        self.minet = TwoStream(options)
        self.manet = TwoStream(options).requires_grad_(False)
        self.aggregate = Aggregate(options)
        self.head = Classifier(features * (1 + views), num_classes)
        self.discriminator_map = MapDiscriminator(options, features)
        self.discriminator_time = SequenceDiscriminator(options, features, 1)
        self.interval = SequenceDiscriminator(options, features, options.intervals)

    def train(self, mode: bool = True):
        """Sets the mode of all but MaNet, which stays in evaluation mode."""
        super().train(mode)
        self.manet.eval()
        return self

    def fused(self, apex, frames):
        """Returns z."""
        return torch.cat([apex, self.aggregate(frames)], 1)

    def sequences(self, frames, positions):
        """Returns what D_t and C_s see."""
        return sequences(frames, positions, self.options)

    def contrastive(self, own, labels, far, far_labels):
        """Returns L_con."""
        return contrastive(own, labels, far, far_labels, self.options)

    def losses(self, micro, macro, labels, positions, strength: float):
        """Returns L_c, L_s, L_sam, L_t, L_con and their weighted sum.

        Args:
          micro: apexes and clips.
          macro: the same.
          labels: of both, int64[B] and int64[A].
          positions: of the windows of both, float[B] and float[A].
          strength: of the reversed gradient.
        """
        o = self.options
        map, apex, frames = self.minet(*micro)
        far_map, far_apex, far_frames = self.manet(*macro)
        z, far_z = self.fused(apex, frames), self.fused(far_apex, far_frames)
        l_c = functional.cross_entropy(self.head(z), labels[0])
        l_con = self.contrastive(z, labels[0], far_z, labels[1])
        domain = torch.cat([torch.zeros(len(map)), torch.ones(len(far_map))]).to(map)
        tell = functional.binary_cross_entropy_with_logits
        maps = torch.cat([Reverse.apply(map, strength), far_map])
        l_s = tell(self.discriminator_map(maps), domain)
        far = self.sequences(far_frames, positions[1])
        both = lambda own: [torch.cat(x) for x in zip(own, far, strict=True)]
        told = self.interval(both(self.sequences(frames, positions[0]))).flatten(0, 1)
        which = torch.arange(o.intervals, device=map.device).repeat(len(domain))
        l_sam = functional.cross_entropy(told, which)
        turned = self.sequences(Reverse.apply(frames, strength), positions[0])
        scores = self.discriminator_time(both(turned))[..., 0]
        l_t = tell(scores, domain[:, None].expand_as(scores))
        weighted = o.ls * l_s + o.lsam * l_sam + o.lt * l_t + o.lcon * l_con
        return l_c, l_s, l_sam, l_t, l_con, l_c + weighted
