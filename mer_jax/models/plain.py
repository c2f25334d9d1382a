"""A plain convolutional net of a ResNet's ladder, without shortcuts."""

import flax.linen as nn
import jax

from mer_jax.models.blocks import BatchNorm, Compute, convolution


class PlainNet(nn.Module):
    """Five 3x3 convolutions of stride 2, each with batch norm and ReLU.

    Attributes:
      width: channels of the first two; each further one doubles them.
      compute: precision and convolution.
    """

    width: int = 64
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, images: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns [B, H / 32, W / 32, 8 * width], rounded up; see `ResNet18`."""
        x = images
        for i, share in enumerate((1, 1, 2, 4, 8), start=1):
            make = convolution(
                share * self.width, 3, self.compute, stride=2, name=f"conv{i}"
            )
            x = nn.relu(BatchNorm(name=f"bn{i}")(make(x), mask, train))
        return x
