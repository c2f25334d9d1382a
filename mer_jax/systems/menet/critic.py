"""The critic that estimates what expression features tell of the identity."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import at_least_single

OutputActivation = Literal["leaky", "none"]
Inputs = Literal["proj256", "native1024"]
SLOPE = 0.01  # of leaky ReLUs; the paper gives none


class Critic(nn.Module):
    """T_theta(f_d, f_e): concat, dense, leaky ReLU, dense to 1, leaky ReLU.

    Table 3 of the paper (PeerJ CS 2022, cs-1140) starts from 512 features, where two
    maps of 512 channels meet: by "proj256" each side first has a linear layer of its
    own, here, where it leaks no capacity into the nets. Initial values are flax's
    (LeCun normal, biases 0). Sub-modules: `project_identity`, `project_motion`, `fc1`,
    `fc2`.

    Attributes:
      out_act: "leaky", as printed, or "none". A constant added before it changes
        nothing in the Donsker-Varadhan bound, so it costs speed rather than
        expressiveness.
      inputs: "proj256", or "native1024": both sides as they are.
      projected: features of a side after its linear layer, 256; fewer in tiny nets.
      hidden: features of `fc1`.
    """

    out_act: OutputActivation = "leaky"
    inputs: Inputs = "proj256"
    projected: int = 256
    hidden: int = 64

    @nn.compact
    def __call__(self, identity: jax.Array, motion: jax.Array) -> jax.Array:
        """Scores pairs of features.

        Args:
          identity: float[..., D], f_d, of IDNet.
          motion: float[..., D], f_e, of MENet; axes of length 1 are repeated, after
            the linear layers, so that all pairs of a batch cost little.

        Returns:
          float32[...].

        Raises:
          ValueError: for another `out_act` or `inputs`.
        """
        if self.out_act not in ("leaky", "none"):
            raise ValueError(f"critic_act must be leaky or none, got {self.out_act!r}")
        if self.inputs not in ("proj256", "native1024"):
            raise ValueError(
                f"critic_inputs must be proj256 or native1024, got {self.inputs!r}"
            )
        sides = [at_least_single(identity), at_least_single(motion)]
        if self.inputs == "proj256":
            names = ("project_identity", "project_motion")
            project = lambda name, side: nn.Dense(self.projected, name=name)(side)
            sides = list(map(project, names, sides))
        shape = jnp.broadcast_shapes(*(side.shape[:-1] for side in sides))
        pairs = [jnp.broadcast_to(x, (*shape, x.shape[-1])) for x in sides]
        x = nn.Dense(self.hidden, name="fc1")(jnp.concatenate(pairs, axis=-1))
        x = nn.Dense(1, name="fc2")(nn.leaky_relu(x, SLOPE))[..., 0]
        return nn.leaky_relu(x, SLOPE) if self.out_act == "leaky" else x
