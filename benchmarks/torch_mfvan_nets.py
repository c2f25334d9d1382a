"""MFVAN in PyTorch: the baseline of our benchmark, and what our tests compare with.

Written from what is left of Pan et al. 2023 (Front. Neurosci.) and from our README's
choices, apart from mer_jax, as plain PyTorch would be. Modules have the names of ours,
`layer1.0` being our `layer1_0`. Images are [B, 3, S, S], tokens [B, 1 + N, F].
"""

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional

from benchmarks.torch_minet_nets import ResNet, convolution


@dataclasses.dataclass(frozen=True)
class Options:
    """Sizes and switches, under the names of our config."""

    size: int
    width: int
    patch: int = 16
    features: int = 192
    depth: int = 4
    heads: int = 3
    hidden: int = 768
    fusion: int = 256
    dropout: float = 0.1
    blocks: int = 2
    ri: bool = True
    ri_feature: str = "encoder"
    scales: tuple[int, ...] = (0, 1, 2)
    decoder: str = "transposed"
    vit_share: bool = False
    kappa: float = 1.0
    mask_slope: float = 5.0
    mask_grad: str = "st"
    w_ri: float = 1.0
    w_soft: float = 1.0
    alpha: float = 1.0
    beta: float = 0.5
    mask_loss: str = "cls"
    rho: float = 0.5
    gamma: float = 2.0
    class_weights: str = "inverse"


class DeepEncoder(nn.Module):
    """A ResNet without its max-pool."""

    def __init__(self, o: Options):
        super().__init__()
        self.resnet = ResNet(o.width, o.blocks)

    def forward(self, x):
        """Returns [B, 8 * width, S / 16, S / 16]."""
        net = self.resnet
        x = functional.relu(net.bn1(net.conv1(x)))
        return net.layer4(net.layer3(net.layer2(net.layer1(x))))


class ShallowEncoder(nn.Module):
    """Four convolutions."""

    def __init__(self, o: Options):
        super().__init__()
        before = 3
        for i in range(4):
            features = o.width * 2**i
            self.add_module(f"conv{i + 1}", convolution(before, features, 3, 2))
            self.add_module(f"bn{i + 1}", nn.BatchNorm2d(features))
            before = features

    def forward(self, x):
        """Returns the first map, the second and the last."""
        first = functional.relu(self.bn1(self.conv1(x)))
        second = functional.relu(self.bn2(self.conv2(first)))
        x = functional.relu(self.bn3(self.conv3(second)))
        return first, second, functional.relu(self.bn4(self.conv4(x)))


class Decoder(nn.Module):
    """Four doublings."""

    def __init__(self, o: Options):
        super().__init__()
        self.resize = o.decoder == "resize"
        before = 8 * o.width
        for i, features in enumerate((4 * o.width, 2 * o.width, o.width), start=1):
            self.add_module(f"up{i}", self._up(before, features, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(features))
            before = features
        self.out = self._up(before, 3, bias=True)

    def _up(self, before: int, features: int, bias: bool):
        if self.resize:
            return nn.Conv2d(before, features, 3, 1, 1, bias=bias)
        return nn.ConvTranspose2d(before, features, 4, 2, 1, bias=bias)

    def _doubled(self, layer, x):
        return layer(functional.interpolate(x, scale_factor=2) if self.resize else x)

    def forward(self, x):
        """Returns images of [B, 8 * width, h, w]."""
        x = functional.relu(self.bn1(self._doubled(self.up1, x)))
        x = functional.relu(self.bn2(self._doubled(self.up2, x)))
        x = functional.relu(self.bn3(self._doubled(self.up3, x)))
        return self._doubled(self.out, x).sigmoid()


class Teacher(nn.Module):
    """Deep."""

    def __init__(self, o: Options):
        super().__init__()
        self.encoder, self.decoder = DeepEncoder(o), Decoder(o)

    def forward(self, x):
        """Returns what it rebuilds."""
        return self.decoder(self.encoder(x))


class Student(nn.Module):
    """Shallow."""

    def __init__(self, o: Options):
        super().__init__()
        self.encoder = ShallowEncoder(o)
        self.decoder = Decoder(o) if o.ri else None

    def forward(self, x):
        """Returns three maps and what it rebuilds."""
        maps = self.encoder(x)
        return maps, self.decoder(maps[-1]) if self.decoder else None


class Patches(nn.Module):
    """Patches side by side, as tokens behind a class token."""

    def __init__(self, channels: int, patch: int, count: int, features: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, features, patch, patch)
        self.class_token = nn.Parameter(torch.zeros(features))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + count, features))

    def forward(self, x):
        """Returns tokens."""
        tokens = self.conv(x).flatten(2).transpose(1, 2)
        first = self.class_token.expand(len(x), 1, -1)
        return torch.cat([first, tokens], 1) + self.positions


class Transformer(nn.Module):
    """PyTorch's layers, and what the class token of the last looks at."""

    def __init__(self, o: Options):
        super().__init__()
        for i in range(o.depth):
            layer = nn.TransformerEncoderLayer(
                o.features,
                o.heads,
                o.hidden,
                o.dropout,
                "gelu",
                batch_first=True,
                norm_first=True,
            )
            layer.self_attn.dropout = 0.0  # of attention weights
            self.add_module(f"block{i + 1}", layer)

    def forward(self, tokens):
        """Returns tokens, and attention [B, N]."""
        for layer in self.children():
            before, tokens = tokens, layer(tokens)
        return tokens, class_attention(layer, before)


def class_attention(layer, tokens):
    """Returns a layer's attention [B, N] of the class token, over patches alone."""
    net, x = layer.self_attn, layer.norm1(tokens)
    of_query, of_key, _ = net.in_proj_weight.chunk(3)
    query_bias, key_bias, _ = net.in_proj_bias.chunk(3)
    by_head = lambda x: x.unflatten(-1, (net.num_heads, net.head_dim))
    query = by_head(functional.linear(x[:, 0], of_query, query_bias))
    key = by_head(functional.linear(x, of_key, key_bias))
    scores = torch.einsum("bhd,bnhd->bhn", query, key) / math.sqrt(net.head_dim)
    weights = scores.softmax(-1)[..., 1:].mean(1)
    return weights / weights.sum(-1, keepdim=True)


def keep(attention, o: Options):
    """Returns the mask [B, N] of patches."""
    relative = attention * attention.shape[1]
    soft = torch.sigmoid(o.mask_slope * (relative - o.kappa))
    if o.mask_grad == "soft":
        return soft
    passed = relative > o.kappa
    greatest = functional.one_hot(relative.argmax(1), relative.shape[1]).bool()
    hard = torch.where(passed.any(1, keepdim=True), passed, greatest).to(soft.dtype)
    return hard if o.mask_grad == "none" else hard + soft - soft.detach()


class Transformers(nn.Module):
    """One a scale, or one of all."""

    def __init__(self, o: Options):
        super().__init__()
        self.options, channels = o, (3, o.width, 2 * o.width)
        for i, scale in enumerate(o.scales):
            sizes = channels[scale], o.patch // 2**scale, (o.size // o.patch) ** 2
            self.add_module(f"patches{i}", Patches(*sizes, o.features))
            if i == 0 or not o.vit_share:
                name = "all" if o.vit_share else f"scale{i}"
                self.add_module(name, Transformer(o))

    def forward(self, images):
        """Returns class token, u [B, F], attention and mask [B, N] of each scale."""
        found = []
        for i, image in enumerate(images):
            net = getattr(self, "all" if self.options.vit_share else f"scale{i}")
            tokens, attention = net(getattr(self, f"patches{i}")(image))
            mask = keep(attention, self.options)
            weight = (mask * attention)[..., None]
            local = (weight * tokens[:, 1:]).sum(1) / weight.sum(1)
            found.append((tokens[:, 0], local, attention, mask))
        return found


class Heads(nn.Module):
    """Logits of everything, and of every part."""

    def __init__(self, o: Options, num_classes: int):
        super().__init__()
        self.whole = nn.Linear(8 * o.width, num_classes)
        for i in range(len(o.scales)):
            self.add_module(f"scale{i}", nn.Linear(o.features, num_classes))
            self.add_module(f"masked{i}", nn.Linear(o.features, num_classes))
        if o.scales:
            every = 8 * o.width + len(o.scales) * o.features
            self.fused_hidden = nn.Linear(every, o.fusion)
            self.fused = nn.Linear(o.fusion, num_classes)

    def forward(self, whole, scales):
        """Returns y, p_g, and of each scale p_s and that of its mask."""
        if not scales:
            return self.whole(whole), self.whole(whole), [], []
        parts = [scale[1] for scale in scales]
        hidden = functional.relu(self.fused_hidden(torch.cat([whole, *parts], 1)))
        say = lambda name, i, x: getattr(self, f"{name}{i}")(x)
        return (
            self.fused(hidden),
            self.whole(whole),
            [say("scale", i, scale[0]) for i, scale in enumerate(scales)],
            [say("masked", i, part) for i, part in enumerate(parts)],
        )
