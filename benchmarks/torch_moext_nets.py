"""MoExt in PyTorch: the baseline of our benchmark, and what our tests compare with.

Written from the description in arXiv 2407.07345, apart from mer_jax, as plain PyTorch
would be. Modules have the names of ours, `layer1.0` being our `layer1_0`. Images are
[n, 3, H, W].
"""

import dataclasses

import torch
from torch import nn
from torch.nn import functional

# Edge of the pooled map and number of doublings, by the size of the image.
LADDERS = {
    16: (1, 4),
    48: (3, 4),
    56: (7, 3),
    64: (2, 5),
    96: (3, 5),
    112: (7, 4),
    128: (4, 5),
    160: (5, 5),
    224: (7, 5),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Size and switches; see benchmarks and tests/systems/moext/layout.py."""

    size: int
    width: int
    branch_cb: int = 1
    branch_fc: int = 1
    branch_pool: str = "gap"
    motion_block: str = "dense"
    upsample: str = "nearest"
    recon_out: str = "relu"
    recon_views: str = "first"
    projection: str = "mlp"
    input_norm: str = "unit"
    lst_neg: str = "sample"
    lst_anchor_sg: bool = False
    eps: float = 0.3
    a1: float = 0.5
    a2: float = 1.0


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, before: int, features: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, features, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(features)
        self.conv2 = nn.Conv2d(features, features, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(features)
        self.downsample = None
        if stride != 1 or before != features:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, features, 1, stride, bias=False),
                nn.BatchNorm2d(features),
            )

    def forward(self, x):
        """Returns [n, features, h, w]."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet18(nn.Module):
    """torchvision's, under its names, up to the last feature map."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        for i in range(1, 5):
            stride = 1 if i == 1 else 2
            first = BasicBlock(widths[i - 1], widths[i], stride)
            second = BasicBlock(widths[i], widths[i], 1)
            self.add_module(f"layer{i}", nn.Sequential(first, second))

    def forward(self, x):
        """Returns [n, 8 * width, h, w]."""
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class ConvUnit(nn.Module):
    """Convolution 3x3, batch norm, ReLU."""

    def __init__(self, before: int, features: int):
        super().__init__()
        self.conv = nn.Conv2d(before, features, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(features)

    def forward(self, x):
        """Returns [n, features, h, w]."""
        return functional.relu(self.bn(self.conv(x)))


class DenseUnit(nn.Module):
    """Dense layer, batch norm, ReLU."""

    def __init__(self, before: int, features: int):
        super().__init__()
        self.dense = nn.Linear(before, features, bias=False)
        self.bn = nn.BatchNorm1d(features)

    def forward(self, x):
        """Returns [n, features]."""
        return functional.relu(self.bn(self.dense(x)))


def block(unit, before: int, features: int) -> nn.Sequential:
    """Two units, named unit1 and unit2."""
    out = nn.Sequential()
    out.add_module("unit1", unit(before, features))
    out.add_module("unit2", unit(features, features))
    return out


class Branch(nn.Module):
    """Shape or texture: conv blocks, pool, dense layers."""

    def __init__(self, features: int, edge: int, options: Options):
        super().__init__()
        self.pool = options.branch_pool
        self.blocks, self.layers = options.branch_cb, options.branch_fc
        for i in range(1, self.blocks + 1):
            self.add_module(f"block{i}", block(ConvUnit, features, features))
        before = features * (edge**2 if self.pool == "flatten" else 1)
        for i in range(1, self.layers + 1):
            self.add_module(
                f"fc{i}", nn.Linear(before if i == 1 else features, features)
            )

    def forward(self, x):
        """Returns [n, D]."""
        for i in range(1, self.blocks + 1):
            x = self.get_submodule(f"block{i}")(x)
        x = x.flatten(1) if self.pool == "flatten" else x.mean((2, 3))
        x = self.fc1(x)
        for i in range(2, self.layers + 1):
            x = self.get_submodule(f"fc{i}")(functional.relu(x))
        return x


class Separator(nn.Module):
    """The backbone and its branches."""

    def __init__(self, options: Options, texture: bool):
        super().__init__()
        self.imagenet = options.input_norm == "imagenet"
        self.backbone = ResNet18(options.width)
        edge = -(-options.size // 32)
        self.shape = Branch(8 * options.width, edge, options)
        self.texture = Branch(8 * options.width, edge, options) if texture else None

    def forward(self, x):
        """Returns shape and texture, [n, D] each."""
        if self.imagenet:
            row = lambda *values: x.new_tensor(values)[:, None, None]
            x = (x - row(0.485, 0.456, 0.406)) / row(0.229, 0.224, 0.225)
        x = self.backbone(x)
        return self.shape(x), self.texture(x) if self.texture else None


class Motion(nn.Module):
    """The motion from the shapes of onset and apex."""

    def __init__(self, features: int, kind: str):
        super().__init__()
        self.kind = kind
        if kind != "absdiff":
            unit = DenseUnit if kind == "dense" else ConvUnit
            self.cb1 = block(unit, features, features)
            self.cb2 = block(unit, 2 * features, features)

    def forward(self, onset, apex):
        """Returns [n, D]."""
        moved = (onset - apex).abs()
        if self.kind == "absdiff":
            return moved
        if self.kind == "conv3x3":
            moved, apex = moved[:, :, None, None], apex[:, :, None, None]
        return self.cb2(torch.cat([self.cb1(moved), apex], 1)).flatten(1)


class Decoder(nn.Module):
    """Table 2 of the paper: features to an image."""

    def __init__(self, options: Options):
        super().__init__()
        width, self.kind, self.out_kind = (
            options.width,
            options.upsample,
            options.recon_out,
        )
        # The paper's 7x7 and five doublings, or what is left of them at other sizes.
        self.edge, self.doublings = LADDERS[options.size]
        widths = [16, 8, 8, 8, 8, 4, 2, 1]
        names = ["row1", "row2", "row3", "row5", "row6", "row7", "row8"]
        for i, name in enumerate(names):
            self.add_module(name, ConvUnit(widths[i] * width, widths[i + 1] * width))
        half = width // 2
        for i in range(1, 6):
            self.add_module(
                f"block{i}", block(ConvUnit, width if i == 1 else half, half)
            )
        self.out = nn.Conv2d(half, 3, 3, 1, 1)

    def up(self, x):
        """Returns the map doubled."""
        corners = {} if self.kind == "nearest" else {"align_corners": False}
        return functional.interpolate(x, scale_factor=2, mode=self.kind, **corners)

    def forward(self, x):
        """Returns images [n, 3, H, W] of [n, 2 * D]."""
        x = x[:, :, None, None]
        for row in (self.row1, self.row2, self.row3):
            x = row(self.up(x))
        if self.edge < 8:
            x = functional.avg_pool2d(x, 9 - self.edge, 1)
        kept = 5 - self.doublings  # steps that do not double
        for i, row in enumerate((self.row5, self.row6, self.row7, self.row8)):
            x = row(x if i < kept else self.up(x))
        for i in range(1, 6):
            x = self.get_submodule(f"block{i}")(x)
        x = self.out(self.up(x))
        if self.out_kind == "relu":
            return functional.relu(x)
        return torch.sigmoid(x) if self.out_kind == "sigmoid" else x


class Projection(nn.Module):
    """To the space of the contrastive losses."""

    def __init__(self, features: int, kind: str):
        super().__init__()
        self.hidden = nn.Linear(features, features) if kind == "mlp" else None
        self.out = None if kind == "identity" else nn.Linear(features, features // 4)

    def forward(self, x):
        """Returns [..., P], of length 1."""
        x = functional.relu(self.hidden(x)) if self.hidden else x
        return functional.normalize(self.out(x) if self.out else x, dim=-1)


def distance(a, b):
    """Euclidean, over the last axis; its gradient at 0 is 0."""
    squared = ((a - b) ** 2).sum(-1)
    zero = squared == 0
    return torch.sqrt(squared.masked_fill(zero, 1.0)).masked_fill(zero, 0.0)


class Pretraining(nn.Module):
    """All nets that are pre-trained, and their losses."""

    def __init__(self, options: Options):
        super().__init__()
        self.options = options
        features = 8 * options.width
        self.separator = Separator(options, texture=True)
        self.motion = Motion(features, options.motion_block)
        self.decoder = Decoder(options)
        self.projection = Projection(features, options.projection)

    def forward(self, views):
        """Returns outputs by the names of our `Pretrained`, of [n, V, 3, H, W]."""
        n, count = views.shape[:2]
        half = count // 2
        shape, texture = self.separator(views.flatten(0, 1))
        shape, texture = shape.view(n, count, -1), texture.view(n, count, -1)
        used = half if self.options.recon_views == "all" else 1
        motion = self.motion(
            shape[:, :used].flatten(0, 1), shape[:, half : half + used].flatten(0, 1)
        )
        code = torch.cat([motion, texture[:, :used].flatten(0, 1)], 1)
        mean = shape.mean((0, 1))
        mean = mean.detach() if self.options.lst_anchor_sg else mean
        return {
            "shape": self.projection(shape),
            "texture": self.projection(texture),
            "anchor": self.projection(mean),
            "reconstruction": self.decoder(code).unflatten(0, (n, used)),
            "motion": motion.unflatten(0, (n, used)),
        }

    def losses(self, views):
        """Returns the total, its terms by symbol, and the outputs."""
        out, o = self(views), self.options
        n, count = views.shape[:2]
        half, used = count // 2, out["reconstruction"].shape[1]
        apex = views[:, half : half + used]
        l_re = (apex - out["reconstruction"]).abs().mean()
        e_s, e_t, anchor = out["shape"], out["texture"], out["anchor"]
        away = distance(e_s if o.lst_neg == "sample" else anchor, e_t)
        l_st = functional.relu(distance(anchor, e_s) - away + o.eps).mean()
        d = distance(e_s[:, :, None], e_s[:, None])
        apex_view = torch.arange(count, device=d.device) >= half
        same = apex_view[:, None] == apex_view
        l_ss = torch.where(same, d, functional.relu(o.eps - d)).mean()
        total = l_re + o.a1 * l_st + o.a2 * l_ss
        return total, {"L_re": l_re, "L_st": l_st, "L_ss": l_ss}, out


class Objective(nn.Module):
    """The classifier."""

    def __init__(self, options: Options, num_classes: int):
        super().__init__()
        self.separator = Separator(options, texture=False)
        self.motion = Motion(8 * options.width, options.motion_block)
        self.head = nn.Linear(8 * options.width, num_classes)

    def forward(self, frames):
        """Returns logits [n, K] of [n, 2, 3, H, W]."""
        shape, _ = self.separator(frames.flatten(0, 1))
        shape = shape.view(len(frames), 2, -1)
        return self.head(self.motion(shape[:, 0], shape[:, 1]))
