"""What each part of MoExt is worth: the six rows of its CDE ablation table.

Paper    accuracy / UF1 / UAR (arXiv 2407.07345): no pre-training 0.7812 / 0.7746 /
         0.7776; no macro clips 0.8023 / 0.8164 / 0.8020; no motion extractor 0.8177 /
         0.8082 / 0.8038; no L_st 0.8233 / 0.8017 / 0.8045; no L_ss (there L_oa)
         0.8250 / 0.8111 / 0.8010; full 0.8417 / 0.8301 / 0.8226.
Data     as moext_cde3.
Cost     six times moext_cde3: `mer plan moext_ablation`. moext_demo has the same rows
         on synthetic faces, at a size for two processor cores.
Run      mer run moext_ablation
"""

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.moext import MoExt

FACES = {"align": "moext", "crop": 224}
MICRO, MACRO = "casme3/micro", "casme3/macro"


def get() -> tuple[Experiment, ...]:
    """Returns the rows, the full system first."""
    return (
        row("full", MoExt(), (0.8417, 0.8301, 0.8226)),
        row("no_pretraining", MoExt(pretrain=False), (0.7812, 0.7746, 0.7776)),
        row("no_macro", MoExt(), (0.8023, 0.8164, 0.8020), pool=(MICRO,)),
        row("absdiff", MoExt(motion_block="absdiff"), (0.8177, 0.8082, 0.8038)),
        row("no_L_st", MoExt(a1=0.0), (0.8233, 0.8017, 0.8045)),
        row("no_L_ss", MoExt(a2=0.0), (0.8250, 0.8111, 0.8010)),
    )


def row(
    name: str,
    system: MoExt,
    paper: tuple[float, float, float],
    pool: tuple[str, ...] = (MICRO, MACRO),
) -> Experiment:
    """Returns a row with the paper's accuracy, UF1 and UAR."""
    accuracy, uf1, uar = paper
    pretraining = Pool(
        name="pretraining", data=Data(corpora=pool, macro_apex=4, **FACES)
    )
    return Experiment(
        name=f"moext_{name}",
        system=system,
        protocol=Protocol(name="cde3"),
        data=Data(corpora=("casme2", "samm", "smic"), **FACES),
        pools=(pretraining,) if system.pretrain else (),
        eval_every=10,
        published=(
            Published(
                source="paper (arXiv 2407.07345), CDE ablation",
                accuracy=accuracy,
                uf1=uf1,
                uar=uar,
            ),
        ),
    )
