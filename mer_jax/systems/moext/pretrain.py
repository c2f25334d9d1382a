"""Stage `pretrain` of MoExt: the apex from the onset's texture and a motion."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from mer_jax.models.decoder import Decoder
from mer_jax.models.weights import Weights
from mer_jax.systems.moext import nets, views
from mer_jax.systems.moext.loss import pretraining_loss
from mer_jax.train.stage import Aux, Source, Stage

if TYPE_CHECKING:  # it uses this module
    from mer_jax.systems.moext.system import MoExt

POOL = "pretraining"  # of the experiment: whom this stage sees


def pretrain(config: "MoExt", weights: Weights | None = None) -> Stage:
    """Returns the stage; its clips need no labels.

    Args:
      config: of the system.
      weights: laid over the initial values.
    """
    net = nets.Pretraining(
        config.separator(texture=True),
        config.motion(),
        Decoder(
            config.size,
            config.width,
            config.upsample,
            config.recon_out,
            config.compute(remat=config.remat),
            config.recon_blocks,
        ),
        nets.Projection(
            config.projection, config.projection_features, config.projection_unit
        ),
        config.recon_views,
        config.lst_anchor_sg,
    )
    apply: Any = net.apply

    def prepare(params, model_state, batch, key):
        for_pose, for_views = jax.random.split(key)
        frames = config.posed(views.pair(batch), for_pose, "pretrain")
        drawn = views.three_views(
            frames, for_views, noise=config.noise, contrast=config.contrast
        )
        return {**batch, "views": drawn}

    def loss(params, model_state, batch, key):
        found, updated = apply(
            {"params": params, "batch_stats": model_state},
            batch["views"],
            batch["mask"],
            train=True,
            mutable=["batch_stats"],
        )
        total, terms = pretraining_loss(
            found,
            batch["views"],
            batch["mask"],
            eps=config.eps,
            a1=config.a1,
            a2=config.a2,
            lst_neg=config.lst_neg,
            recon_reduction=config.recon_reduction,
        )
        return total, Aux(terms, updated["batch_stats"])

    def inspect(params, model_state, batch):
        variables = {"params": params, "batch_stats": model_state}
        frames = views.pair(batch)
        found = apply(variables, frames, batch["mask"], train=False)
        rebuilt, apex = found.reconstruction[:, 0], frames[:, 1]
        return {
            "onset": frames[:, 0],
            "apex": apex,
            "reconstruction": rebuilt,
            "difference x 5": 5 * jnp.abs(rebuilt - apex).mean(-1),
            "motion": found.motion[:, 0],
        }

    return Stage(
        name="pretrain",
        source=Source(batch=config.batch, pool=POOL, labelled=False),
        num_epochs=config.pretrain_epochs * config.passes("pretrain"),
        init=config.init(net, weights),
        updates=(config.update(loss),),
        prepare=prepare,
        inspect=inspect,
        shows=("onset", "apex", "reconstruction", "difference x 5"),
    )
