"""The total loss of MoExt's pre-training."""

from typing import Literal

import jax

from mer_jax.losses import contrastive
from mer_jax.losses.reconstruction import Reduction, absolute_error
from mer_jax.systems.moext.nets import Pretrained
from mer_jax.typing import Metrics

Negative = Literal["sample", "anchor"]
SHAPE_TEXTURE = {
    "sample": contrastive.shape_texture_contrastive,
    "anchor": contrastive.anchor_texture_contrastive,
}


def pretraining_loss(
    found: Pretrained,
    views: jax.Array,
    mask: jax.Array,
    *,
    eps: float = 0.3,
    a1: float = 0.5,
    a2: float = 1.0,
    lst_neg: Negative = "sample",
    recon_reduction: Reduction = "mean",
) -> tuple[jax.Array, Metrics]:
    r"""Reconstruction, and the two contrastive losses.

    .. math::
      L = L_{re} + a_1 L_{st} + a_2 L_{ss}

    Args:
      found: of these views.
      views: float[B, V, H, W, 3] in [0, 1], as given to `nets.Pretraining`.
      mask: bool[B], False on padding clips; at least one must be True.
      eps: margin of both contrastive losses.
      a1: weight of L_st.
      a2: weight of L_ss.
      lst_neg: what L_st holds the texture away from: each shape, or their mean.
      recon_reduction: of L_re over the values of an image.

    Returns:
      float32[] and its terms by symbol.
    """
    if lst_neg not in SHAPE_TEXTURE:
        raise ValueError(f"lst_neg must be sample or anchor, got {lst_neg!r}")
    half, used = views.shape[1] // 2, found.reconstruction.shape[1]
    apex = views[:, half : half + used]
    l_re = absolute_error(
        found.reconstruction, apex, reduction=recon_reduction, where=mask
    )
    l_st = SHAPE_TEXTURE[lst_neg](
        found.shape, found.texture, found.anchor, margin=eps, where=mask
    )
    l_ss = contrastive.onset_apex_contrastive(found.shape, margin=eps, where=mask)
    total = l_re + a1 * l_st + a2 * l_ss
    return total, {"L_re": l_re, "L_st": l_st, "L_ss": l_ss}
