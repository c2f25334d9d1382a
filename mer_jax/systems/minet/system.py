"""MiNet and MaNet: micro-expressions learn from macro-expressions. Spec: README.md.

Xia & Wang 2021 (IJCAI). MaNet learns macro-expressions, MiNet micro-expressions; then
MiNet is led to features that discriminators cannot tell from MaNet's, that tell at what
interval frames were sampled, and that lie close to those of their class in either.
"""

import dataclasses
from typing import Literal, get_args, get_origin, get_type_hints

import jax
import numpy as np

from mer_jax.models.computing import TRIED, Convolve, Precision, computing
from mer_jax.models.weights import read
from mer_jax.systems.minet import nets, views
from mer_jax.systems.minet.align import Contrast, Teacher, align
from mer_jax.systems.minet.discriminators import Norm
from mer_jax.systems.minet.intervals import Aggregation, View, window_length
from mer_jax.systems.minet.judges import Reversal
from mer_jax.systems.minet.network import Networks
from mer_jax.systems.minet.single import Begin, single
from mer_jax.train.gradcam import Map
from mer_jax.train.optimizers import WeightDecay
from mer_jax.train.speed import speed
from mer_jax.train.stage import Stage, System
from mer_jax.typing import Draw


@dataclasses.dataclass(frozen=True, kw_only=True)
class MiNet:
    """The published numbers. [P] paper, [D] our default; C1..C16 see README.md."""

    frames: int = 16  # [D C1] T, evenly from onset to apex
    size: int = 224  # [D C1] pixels
    aug: views.Augmentation = "rmic"  # [D]

    # The nets.
    encoder: nets.Encoder = "resnet18"  # [P] of either stream
    width: int = 64  # [P] channels of its first stage; features 8 times as many
    blocks: int = 2  # [P] residual blocks a stage
    aggregate: Aggregation = "mean"  # [D C4] of all sampling intervals
    disc_features: int = 256  # [D] channels of D_s, D_t and C_s
    disc_norm: Norm = "group"  # [D]
    init_weights: str | None = dataclasses.field(  # [D C10] a .safetensors file
        default=None, metadata={"file": True}
    )

    minet_init: Begin = "own"  # [D C10] or "manet", as MaNet ended, fine-tuned

    # Sampling intervals.
    intervals: int = 3  # [D C2] s_c: every frame, every second, every fourth
    interval_view: View = "window"  # [D C3] what C_s and D_t see

    # Losses.
    ls: float = 0.1  # [P] weight of L_s, domains by the map of the apex
    lsam: float = 0.2  # [P] of L_sam, intervals
    lt: float = 0.2  # [P] of L_t, domains by sequences
    lcon: float = 0.1  # [P] of L_con
    temperature: float = 0.07  # [D C5] tau
    con_norm: Contrast = "supcon"  # [D] "literal" as printed
    grl: Reversal = "dann"  # [D C12] strength of the reversal
    manet: Teacher = "frozen"  # [D C8] in `align`
    macro_sampler: Draw = "random"  # [P]

    # Training.
    learning_rate: float = 1e-4  # [D C13] of Adam [P]
    weight_decay: float = 1e-4  # [D C13]
    wd_mode: WeightDecay = "l2"  # [D]
    batch: int = 16  # [D C13] n, of either domain
    macro_epochs: int = 50  # [D C13] passes over the macro-expressions
    micro_epochs: int = 50  # [D C13]
    epochs: int = 50  # [D C13] of `align`, passes over the micro-expressions

    # Speed only.
    precision: Precision = "float32"  # [D] of convolutions; bfloat16 rounds
    conv: Convolve = speed(TRIED)  # [D] "cpu" on a CPU, else "native"
    remat: bool = False  # [D] less memory, more arithmetic
    remember: bool = True  # [D] a frozen MaNet looks once, where `aug` is "none"

    @property
    def weights(self) -> dict[str, float]:
        """Of the losses that count beside L_c, by their symbols."""
        weights = {"L_s": self.ls, "L_sam": self.lsam, "L_t": self.lt}
        weights["L_con"] = self.lcon
        return {symbol: weight for symbol, weight in weights.items() if weight}

    @property
    def transfers(self) -> bool:
        """Whether any term needs macro-expressions."""
        return bool(self.weights)

    def build(self, num_classes: int, num_subjects: int) -> System:
        """Returns the system of stages `macro`, `micro` and `align`.

        Without any of the terms that need macro-expressions `align` goes on with L_c
        alone, for as long; and `macro` is left out, if MiNet does not begin there.

        Raises:
          ValueError: for a value that a field does not have.
          UserError: if `init_weights` cannot be read.
        """
        _check_values(self)
        if (self.lsam or self.lt) and self.interval_view == "window":
            window_length(self.frames, self.intervals)
        own = self.networks(num_classes)
        weights = read(self.init_weights) if self.init_weights else None
        stages: tuple[Stage, ...] = (
            single(self, own, "micro", weights),
            align(self, own),
        )
        if self.transfers or self.minet_init == "manet":
            stages = (single(self, own, "macro", weights), *stages)

        def predict(params, model_state, batch):
            at = params, model_state
            return own.evaluated(at, self.unchanged(batch), batch["mask"]).logits

        maps = {
            "apex": Map(
                module="spatial",
                frames=lambda batch: self.unchanged(batch).apex[:, None],
            ),
            "strongest frame": Map(
                module="temporal", frames=lambda batch: self.unchanged(batch).clip
            ),
        }
        edge = views.stored_size(self.size, self.aug)
        clip = jax.ShapeDtypeStruct((self.frames, edge, edge, 3), np.uint8)
        features = {"rise": clip}
        return System(
            name="minet",
            features=features,
            stages=stages,
            predict=predict,
            maps=maps,
        )

    def tiny(self) -> "MiNet":
        """Returns the system at 16 pixels for a few epochs."""
        return dataclasses.replace(
            self,
            frames=4,
            size=16,
            aug="none" if self.aug == "rmic" else self.aug,
            encoder="plain",
            width=2,
            intervals=2,
            disc_features=8,
            learning_rate=1e-2,
            batch=8,
            macro_epochs=2,
            micro_epochs=2,
            epochs=2,
        )

    def networks(self, num_classes: int) -> Networks:
        """Returns the nets of all stages."""
        return Networks(
            num_classes=num_classes,
            width=self.width,
            blocks=self.blocks,
            encoder=self.encoder,
            aggregate=self.aggregate,
            intervals=self.intervals,
            disc_features=self.disc_features,
            disc_norm=self.disc_norm,
            compute=computing(self.precision, self.conv, remat=self.remat),
        )

    def unchanged(self, batch) -> views.Seen:
        """Returns what is seen of clips in evaluation; the last frame is the apex."""
        rise = batch["rise"]
        return views.unchanged(rise[:, -1], rise, size=self.size, aug=self.aug)

    def drawn(self, batch, key) -> views.Seen:
        """Returns what is seen of clips in training."""
        rise = batch["rise"]
        return views.drawn(rise[:, -1], rise, key, size=self.size, aug=self.aug)


def _check_values(config: MiNet) -> None:
    for name, kind in get_type_hints(MiNet).items():
        value, values = getattr(config, name), get_args(kind)
        if get_origin(kind) is Literal and value not in values:
            raise ValueError(f"{name} must be one of {values}, got {value!r}")
