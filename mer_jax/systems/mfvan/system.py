"""MFVAN: identity removed, then attention at three scales. Spec: README.md.

A reconstruction: the text that is left of the paper has no equation, no number of a
layer, and none of its tables. What it says is tagged [P], all else is ours.
"""

import dataclasses
from typing import Literal, get_args, get_origin, get_type_hints

import jax
import numpy as np

from mer_jax.models.computing import TRIED, Convolve, Precision, computing
from mer_jax.models.images import unit_range
from mer_jax.models.vit import Grad
from mer_jax.systems.mfvan.attention import Heads, Transformers
from mer_jax.systems.mfvan.classify import Classification, MaskLoss, classify
from mer_jax.systems.mfvan.nets import Student, StudentEncoder, Teacher, Upsampling
from mer_jax.systems.mfvan.rebuild import identity_removal, teacher
from mer_jax.systems.mfvan.views import Augmentation
from mer_jax.train.gradcam import Map
from mer_jax.train.optimizers import WeightDecay, optimizer
from mer_jax.train.speed import speed
from mer_jax.train.stage import Stage, System

CAVEAT = (
    "A reconstruction: the paper's equations, sizes and tables are lost, so these are "
    "scores of our reading of its prose, not the paper's"
)
SCALES = (0, 1, 2)  # of the image, of the student's first and of its second map
TeacherScope = Literal["fold", "once"]
RIFeature = Literal["encoder", "residual"]
ClassWeights = Literal["inverse", "none"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MFVAN:
    """Our reconstruction. [P] paper, [D] our choice; E1..E14 see README.md."""

    size: int = 224  # [D E4] pixels
    aug: Augmentation = "turn"  # [D]
    ri: bool = True  # [P ablation] remove identity; False has `classify` alone
    ri_feature: RIFeature = "encoder"  # [D E2] what is classified
    scales: tuple[int, ...] = SCALES  # [P ablation] of 0, 1 and 2

    # Teacher and student.
    width: int = 64  # [D E12] channels of their first layers; features 8 times as many
    blocks: int = 2  # [D E12] residual blocks a stage of the teacher
    decoder: Upsampling = "transposed"  # [P E14]
    teacher_scope: TeacherScope = "fold"  # [D] "once" sees all people, and leaks

    # Transformers.
    patch: int = 16  # [D E4] pixels of the image; a half and a quarter on the maps
    features: int = 192  # [D E4]
    depth: int = 4  # [D E4] layers
    heads: int = 3  # [D E4]
    hidden: int = 768  # [D E4] of a layer's perceptron
    dropout: float = 0.1  # [D]
    vit_share: bool = False  # [D E5] one for all scales, but embeddings
    kappa: float = 1.0  # [D E6] times the mean attention
    mask_slope: float = 5.0  # [D E7]
    mask_grad: Grad = "st"  # [D E7]
    fusion: int = 256  # [D] features inside the fused head

    # Losses.
    w_ri: float = 1.0  # [D E10] of L_RI in `classify`
    w_soft: float = 1.0  # [D] of the teacher's onset as a target
    alpha: float = 1.0  # [D E10] of L_sc
    beta: float = 0.5  # [D E10] of L_mask
    mask_loss: MaskLoss = "cls"  # [D E8]
    rho: float = 0.5  # [D E8] the area that `mask_loss=area` wants
    gamma: float = 2.0  # [D E9] of the focal loss
    class_weights: ClassWeights = "inverse"  # [P] form, [D E9]

    # Training.
    learning_rate: float = 1e-4  # [D] of Adam
    weight_decay: float = 1e-4  # [D]
    wd_mode: WeightDecay = "l2"  # [D]
    batch: int = 32  # [D]
    teacher_epochs: int = 20  # [D] passes over all frames
    removal_epochs: int = 50  # [D]
    epochs: int = 50  # [D]

    # Speed only.
    precision: Precision = "float32"  # [D] of convolutions and transformers
    conv: Convolve = speed(TRIED)  # [D] "cpu" on a CPU, else "native"
    remat: bool = False  # [D] less memory, more arithmetic

    def build(self, num_classes: int, num_subjects: int) -> System:
        """Returns the system of `teacher`, `identity_removal` and `classify`.

        Without the removal of identity `classify` is alone.

        Raises:
          ValueError: for a value that a field does not have.
        """
        _check_values(self)
        last = self.classification(num_classes)
        stages: tuple[Stage, ...] = (classify(last),)
        if self.ri:
            removal = identity_removal(self, last.teacher, last.student)
            stages = (teacher(self, last.teacher), removal, *stages)
        frame = jax.ShapeDtypeStruct((self.size, self.size, 3), np.uint8)
        return System(
            name="mfvan",
            features={"apex": frame, "onset": frame},
            frames=frame if self.ri else None,
            stages=stages,
            predict=last.predict,
            maps=self._maps(),
            caveat=CAVEAT,
        )

    def _maps(self) -> dict[str, Map]:
        """Returns the patches of every scale, and the student's last map."""
        apex = lambda batch: unit_range(batch["apex"])[:, None]
        maps = {
            f"scale {scale}": Map(module=f"patches{i}/conv", frames=apex, at=0)
            for i, scale in enumerate(self.scales)
        }
        if self.ri_feature == "encoder":
            maps["student"] = Map(module="encoder/deep", frames=apex, at=0)
        return maps

    def tiny(self) -> "MFVAN":
        """Returns the system at 16 pixels for a few epochs."""
        return dataclasses.replace(
            self,
            size=16,
            aug="flip" if self.aug == "turn" else self.aug,
            width=2,
            blocks=1,
            patch=8,
            features=6,
            depth=1,
            heads=2,
            hidden=8,
            fusion=8,
            learning_rate=1e-2,
            batch=8,
            teacher_epochs=1,
            removal_epochs=2,
            epochs=2,
        )

    def classification(self, num_classes: int) -> Classification:
        """Returns all nets, and what the last stage does with them."""
        compute = computing(self.precision, self.conv, remat=self.remat)
        return Classification(
            config=self,
            teacher=Teacher(self.width, self.blocks, self.decoder, compute),
            student=Student(self.width, self.decoder, self.ri, compute),
            residual=StudentEncoder(self.width, compute),
            transformers=Transformers(
                patches=tuple(self.patch >> scale for scale in self.scales),
                features=self.features,
                depth=self.depth,
                heads=self.heads,
                hidden=self.hidden,
                dropout=self.dropout,
                share=self.vit_share,
                kappa=self.kappa,
                slope=self.mask_slope,
                grad=self.mask_grad,
                compute=compute,
            ),
            heads=Heads(num_classes, self.fusion),
        )

    def adam(self):
        """Returns the optimiser of every stage."""
        return optimizer(
            "adam",
            self.learning_rate,
            weight_decay=self.weight_decay,
            wd_mode=self.wd_mode,
        )


def _check_values(config: MFVAN) -> None:
    for name, kind in get_type_hints(MFVAN).items():
        value, values = getattr(config, name), get_args(kind)
        if get_origin(kind) is Literal and value not in values:
            raise ValueError(f"{name} must be one of {values}, got {value!r}")
    strange = set(config.scales) - set(SCALES)
    if strange or len(set(config.scales)) < len(config.scales):
        raise ValueError(
            f"scales must be different ones of {SCALES}, got {config.scales}"
        )
    if config.size % 16 or config.size % config.patch or config.patch % 4:
        raise ValueError(
            f"size must be a multiple of 16 and of patch, and patch of 4, "
            f"got size={config.size}, patch={config.patch}"
        )
    if config.ri_feature == "residual" and not config.ri:
        raise ValueError("ri_feature=residual needs the student's onset, and ri is off")
