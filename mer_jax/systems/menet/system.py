"""MENet and IDNet: motion decoupled from identity. Spec: README.md beside this.

Xie et al. 2022 (PeerJ Computer Science, cs-1140). IDNet learns who is seen; MENet, the
expression, while a critic estimates what MENet's features tell of IDNet's, and MENet
unlearns it; then IDNet likewise.
"""

import dataclasses
import functools

import jax
import numpy as np

from mer_jax.losses.attention import Similarity
from mer_jax.models.computing import TRIED, Convolve, Precision, computing
from mer_jax.systems.menet import attention, clips, critic, network
from mer_jax.systems.menet.decoupling import Clipping, decoupled
from mer_jax.systems.menet.identity import identity
from mer_jax.systems.menet.information import Marginals, Pairs
from mer_jax.systems.menet.nets import Pool
from mer_jax.train.gradcam import Map
from mer_jax.train.speed import speed
from mer_jax.train.stage import Stage, System


@dataclasses.dataclass(frozen=True, kw_only=True)
class MENet:
    """The published numbers. [P] paper, [D] our default; B1..B13 see README.md."""

    frames: int = 6  # [D B1] T, evenly from onset to offset
    size: int = 256  # [P] pixels of MENet's frames
    identity_size: int = 128  # [P] of IDNet's, the same frames; divides `size`
    aug: clips.Augmentation = "flip"  # [D B12]
    identity_input: clips.IdentityInput = "same"  # [D B13] augmented alike or apart
    input_norm: network.InputNorm = "fold"  # [D] of pixels

    # The nets.
    width: int = 64  # [P] channels after the first convolution; features 8 times
    blocks: int = 2  # [P] residual blocks a stage, as in a ResNet-18
    dao: bool = True  # [P] diverse attention in MENet; IDNet's is its first branch
    dao_apply: attention.Apply = "residual_pool"  # [D B4]
    dao_groups: int | None = None  # [D B5] branches at most, for many frames
    pool: Pool = "global_max"  # [D B10] before the classifier
    critic_inputs: critic.Inputs = "proj256"  # [D B2]
    critic_projected: int = 256  # [D B2] features of a side, two make the [P] 512
    critic_hidden: int = 64  # [P]
    critic_norm: bool = False  # [D] standardises what it sees, batch by batch
    critic_act: critic.OutputActivation = "leaky"  # [P]

    # Losses.
    div: float = 0.1  # [P] weight of L_div
    mi: float = 0.1  # [P] weight of L_MI; 0 leaves stage `expression` alone
    div_sim: Similarity = "sqrt_dot"  # [D B6]
    div_detach_first: bool = True  # [D]
    pairs: Pairs = "frame"  # [D B3]
    marginals: Marginals = "derangement"  # [D] each clip with one other, or with "all"
    num_critic: int = 5  # [D B7] steps of the critic to one of a net
    mi_clamp: bool = True  # [D B7] no gradient where the estimate is 0 or below
    mi_clip: Clipping = "features"  # [D B7]
    critic_rate: float = 0.01  # [D] of the running average in the critic's gradient
    critic_carry: bool = True  # [D] from stage to stage

    # Training.
    learning_rate: float = 1e-4  # [P] of Adam, for the nets
    critic_learning_rate: float = 1e-4  # [D] of Adam, for the critic
    batch: int = 32  # [P]
    identity_epochs: int = 100  # [P] stages 1 and 3; "iterations", read as epochs [B12]
    epochs: int = 300  # [P] stages 2 and 4

    # Speed only.
    precision: Precision = "float32"  # [D] of convolutions; bfloat16 rounds
    conv: Convolve = speed(TRIED)  # [D] "cpu" on a CPU, else "native"
    remat: bool = False  # [D] less memory, more arithmetic

    def build(self, num_classes: int, num_subjects: int) -> System:
        """Returns the system of four stages, or of `expression` alone.

        Raises:
          ValueError: for a value that a field does not have.
        """
        if self.size % self.identity_size:
            raise ValueError(
                f"identity_size must divide size {self.size}, got {self.identity_size}"
            )
        nets = {
            "menet": self.network(num_classes, motion=True),
            "idnet": self.network(num_subjects, motion=False),
        }
        one = functools.partial(decoupled, self, nets)
        stages: tuple[Stage, ...] = (one("expression", "menet", self.epochs, ""),)
        if self.mi:
            stages = (
                identity(self, nets["idnet"]),
                one("expression", "menet", self.epochs, "identity"),
                one("identity_again", "idnet", self.identity_epochs, "expression"),
                one("expression_again", "menet", self.epochs, "identity_again"),
            )
        if self.dao:
            last = dataclasses.replace(stages[-1], shows=("frames", "attention"))
            stages = (*stages[:-1], last)

        def predict(params, model_state, batch):
            seen = clips.unchanged(batch["clip"], self.identity_size).menet
            at = params["menet"], model_state["menet"]
            return network.evaluated(nets["menet"], at, seen, batch["mask"]).logits

        shape = (self.frames, self.size, self.size, 3)
        branch = Map(module="branch/map", frames=lambda batch: batch["clip"])
        features = {"clip": jax.ShapeDtypeStruct(shape, np.uint8)}
        return System(
            name="menet",
            features=features,
            stages=stages,
            predict=predict,
            maps={"strongest frame": branch},
        )

    def tiny(self) -> "MENet":
        """Returns the system at 32 pixels, a last map of 2 x 2, for a few epochs."""
        return dataclasses.replace(
            self,
            frames=3,
            size=32,
            identity_size=16,
            width=2,
            blocks=1,
            critic_projected=8,
            critic_hidden=8,
            learning_rate=1e-2,
            critic_learning_rate=1e-2,
            num_critic=2,
            batch=8,
            identity_epochs=2,
            epochs=2,
        )

    def network(self, num_classes: int, *, motion: bool) -> network.Network:
        """Returns MENet, or IDNet, which sees every frame by itself."""
        kind: attention.Kind = "diverse" if self.dao else "none"
        return network.Network(
            num_classes=num_classes,
            motion=motion,
            width=self.width,
            blocks=self.blocks,
            attention=kind if motion else "self",
            dao_apply=self.dao_apply,
            dao_groups=self.dao_groups,
            pool=self.pool,
            input_norm=self.input_norm,
            compute=computing(self.precision, self.conv, remat=self.remat),
        )
