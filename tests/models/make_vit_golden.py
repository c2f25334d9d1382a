"""Writes vit_golden.npz: what PyTorch computes for a tiny vision transformer.

    python -m tests.models.make_vit_golden               # needs torch; from the root

Computed in float64, written as float32. The start and the images are not in the file:
they are drawn by `vit_layout`.

    shapes/<name>           PyTorch's names and shapes
    class_token             [B, D]
    patches                 [B, N, D]
    attention               [B, N]
    gradient/images         [B, H, W, C]: of the sum of the three times their slopes
    gradient/<name>         of every parameter, under our names, in our layout
"""

import numpy as np
import torch
from torch import nn

from tests.models import vit_layout as layout


class VisionTransformer(nn.Module):
    """Of PyTorch's own layers: a strided convolution, and encoder layers."""

    def __init__(self, patch, features, depth, heads, mlp):
        super().__init__()
        count = (layout.IMAGES[1] // patch) * (layout.IMAGES[2] // patch)
        self.embed = nn.Conv2d(layout.IMAGES[3], features, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(features))
        self.positions = nn.Parameter(torch.zeros(1, 1 + count, features))
        options = dict(activation="gelu", batch_first=True, norm_first=True)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(features, heads, mlp, dropout=0.0, **options)
            for _ in range(depth)
        )

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        patches = self.embed(images).flatten(2).transpose(1, 2)
        first = self.class_token.expand(len(images), 1, -1)
        tokens = torch.cat([first, patches], 1) + self.positions
        for layer in self.layers:
            seen = layer.norm1(tokens)
            weights = layer.self_attn(seen, seen, seen)[1]  # the mean over heads
            tokens = layer(tokens)
        attention = weights[:, 0, 1:] / weights[:, 0, 1:].sum(-1, keepdim=True)
        return {
            "class_token": tokens[:, 0],
            "patches": tokens[:, 1:],
            "attention": attention,
        }


def arrays() -> dict[str, np.ndarray]:
    """Everything that vit_golden.npz holds."""
    torch.set_num_threads(1)
    model = VisionTransformer(**layout.SIZES).double().train()
    shapes = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    drawn = layout.start(shapes)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in drawn.items()})
    images = torch.from_numpy(layout.images()).requires_grad_()
    found = model(images.movedim(-1, 1))
    slopes = layout.slopes()
    sum((found[k] * torch.from_numpy(v)).sum() for k, v in slopes.items()).backward()
    gradients = {k: p.grad.numpy() for k, p in model.named_parameters()}
    own = {"images": images.grad.numpy(), **layout.to_jax(gradients)}
    out = {k: v.detach().numpy() for k, v in found.items()}
    out |= {f"gradient/{k}": v for k, v in own.items()}
    out = {k: v.astype(np.float32) for k, v in out.items()}
    return {f"shapes/{k}": np.array(v) for k, v in shapes.items()} | out


if __name__ == "__main__":
    np.savez_compressed(layout.GOLDEN, **arrays())
    print(f"{layout.GOLDEN.name}: {layout.GOLDEN.stat().st_size} bytes")
