"""MoExt: motion extraction by pre-training. Spec: README.md beside this.

Li, Wang et al., arXiv 2407.07345. Stage `pretrain` learns, without labels, to rebuild
the apex from the onset's texture and the motion between both; stage `objective`
classifies that motion, the texture branch dropped.
"""

import dataclasses
import functools
from typing import Any, Literal, cast

import jax
import numpy as np

from mer_jax.losses.reconstruction import Reduction
from mer_jax.models import decoder
from mer_jax.models.blocks import Compute
from mer_jax.models.computing import TRIED, Convolve, Precision, computing
from mer_jax.models.posing import posed
from mer_jax.models.weights import Weights, adopt, read
from mer_jax.systems.moext import nets, separator, views
from mer_jax.systems.moext.loss import Negative
from mer_jax.systems.moext.objective import TEXTURE, classifier, objective
from mer_jax.systems.moext.pretrain import pretrain
from mer_jax.train.gradcam import Map
from mer_jax.train.optimizers import Optimizer, WeightDecay, optimizer
from mer_jax.train.speed import speed
from mer_jax.train.stage import Loss, Stage, System, Update, gradients_of
from mer_jax.typing import Key

Augmented = Literal["both", "pretrain", "objective"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MoExt:
    """The published numbers. [P] paper, [D] our default; A1..A15 see README.md."""

    size: int = 224  # [P] pixels
    pretrain: bool = True  # [P] False trains `objective` alone, from `init`

    # The nets.
    backbone: separator.Backbone = "resnet18"  # [D A1]
    width: int = 64  # [D A1] of the backbone; features are 8 times as many [P]
    branch_cb: int = 1  # [D A2] conv blocks of a branch
    branch_fc: int = 1  # [D A2] dense layers of a branch
    branch_pool: separator.Pool = "gap"  # [D A2]
    branch_act: separator.BranchAct = "none"  # [D A10] after the last dense layer
    motion_block: nets.MotionBlock = "dense"  # [D] the function of [P] conv3x3
    upsample: decoder.Upsample = "nearest"  # [D]
    recon_out: decoder.Output = "relu"  # [P]
    recon_blocks: int = 5  # [P] conv blocks before the last convolution
    projection: nets.ProjectionKind = "mlp"  # [D A5]
    projection_features: int = 128  # [D A5]
    projection_unit: bool = True  # [D A5] lengths of 1, as eps asks for
    head: nets.HeadKind = "fc"  # [D A9]
    dropout: float = 0.0  # [D A9] before the head
    init_weights: str | None = dataclasses.field(  # [D A4] a .safetensors file
        default=None, metadata={"file": True}
    )

    # Images.
    input_norm: separator.InputNorm = "unit"  # [D]
    aug10: views.Augmentation = "grid"  # [D A13]
    aug10_stages: Augmented = "both"  # [D A13]
    copies: int = 10  # [P] passes over the clips that make an epoch, where augmented
    noise: float = 0.03  # [D] of a view
    contrast: tuple[float, float] = (1.2, 1.8)  # [D] of a view

    # Losses.
    a1: float = 0.5  # [P] weight of L_st
    a2: float = 1.0  # [P] weight of L_ss
    eps: float = 0.3  # [D] margin, [P] from 0.2 to 0.5
    lst_neg: Negative = "sample"  # [D A6]
    lst_anchor_sg: bool = False  # [D A7]
    recon_views: nets.ReconViews = "first"  # [D A8]
    recon_reduction: Reduction = "mean"  # [D A8]

    # Training, of both stages.
    optimizer: Optimizer = "adam"  # [D A14]
    learning_rate: float = 1e-4  # [P]
    momentum: float = 0.9  # [P]
    weight_decay: float = 1e-4  # [P]
    wd_mode: WeightDecay = "l2"  # [D]
    batch: int = 20  # [P]
    pretrain_epochs: int = 30  # [P]
    epochs: int = 30  # [P]

    # Speed only.
    precision: Precision = "float32"  # [D] of convolutions; bfloat16 rounds
    conv: Convolve = speed(TRIED)  # [D] "cpu" on a CPU, else "native"
    remat: bool = False  # [D] of `pretrain`: less memory, more arithmetic

    def build(self, num_classes: int, num_subjects: int) -> System:
        """Returns the system of stages `pretrain`, unless left out, and `objective`.

        Raises:
          ValueError: for a value that a field does not have.
          UserError: if `init_weights` cannot be read.
        """
        frame = jax.ShapeDtypeStruct((self.size, self.size, 3), np.uint8)
        net = classifier(self, num_classes)

        def predict(params, model_state, batch):
            variables = {"params": params, "batch_stats": model_state}
            frames, apply = views.pair(batch), cast(Any, net.apply)
            return apply(variables, frames, batch["mask"], train=False).logits

        weights = read(self.init_weights) if self.init_weights else None
        stages: tuple[Stage, ...] = (objective(self, num_classes, weights),)
        if self.pretrain:
            stages = (pretrain(self, weights), objective(self, num_classes))
        features = {"onset": frame, "apex": frame}
        last = functools.partial(Map, module="separator/backbone", frames=views.pair)
        return System(
            name="moext",
            features=features,
            stages=stages,
            predict=predict,
            maps={"onset": last(at=0), "apex": last(at=1)},
        )

    def tiny(self) -> "MoExt":
        """Returns the system at 16 pixels, a few short epochs."""
        return dataclasses.replace(
            self,
            size=16,
            backbone="plain",
            width=2,
            recon_blocks=1,
            projection_features=8,
            copies=1,
            learning_rate=1e-2,
            batch=8,
            pretrain_epochs=2,
            epochs=2,
        )

    def separator(self, *, texture: bool) -> separator.Separator:
        """Returns the feature separator, with or without its texture branch."""
        return separator.Separator(
            width=self.width,
            branch_cb=self.branch_cb,
            branch_fc=self.branch_fc,
            branch_pool=self.branch_pool,
            input_norm=self.input_norm,
            texture=texture,
            # Only pre-training, which has the texture, is short of memory.
            compute=self.compute(remat=self.remat and texture),
            net=self.backbone,
            branch_act=self.branch_act,
        )

    def motion(self) -> nets.Motion:
        """Returns the motion extractor."""
        return nets.Motion(self.motion_block, self.compute())

    def compute(self, *, remat: bool = False) -> Compute:
        """Returns how convolutions are computed."""
        return computing(self.precision, self.conv, remat=remat)

    def init(self, net: nets.Pretraining | nets.Objective, weights: Weights | None):
        """Returns the `init` of a stage: drawn, and laid over by weights if given."""

        def init(key, batch):
            variables = net.init(key, views.pair(batch), batch["mask"], train=False)
            params, batch_stats = variables["params"], variables["batch_stats"]
            if weights is None:
                return params, batch_stats
            place = "separator/backbone" if self.backbone == "resnet18" else None
            return adopt(weights, params, batch_stats, backbone=place, drop=TEXTURE)

        return init

    def posed(self, frames: jax.Array, key: Key, stage: str) -> jax.Array:
        """Returns clips [B, F, H, W, C] turned, where the stage is augmented."""
        if not self.augments(stage):
            return frames
        return posed(frames, views.drawn_pose(key, len(frames), self.aug10))

    def passes(self, stage: str) -> int:
        """Returns the passes over the clips that make an epoch of a stage."""
        return self.copies if self.augments(stage) else 1

    def augments(self, stage: str) -> bool:
        """Returns whether a stage turns its clips."""
        return self.aug10 != "off" and self.aug10_stages in ("both", stage)

    def update(self, loss: Loss) -> Update:
        """Returns the one update of a stage: all leaves, by one optimiser."""
        tx = optimizer(
            self.optimizer,
            self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            wd_mode=self.wd_mode,
        )
        return Update(name="all", gradients=gradients_of(loss), tx=tx)
