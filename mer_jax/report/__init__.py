"""Results as files and text: numbers never travel without their conditions."""

from mer_jax.report.row import (
    STAMP,
    Cost,
    Embedded,
    Embedding,
    InnerInfo,
    PoolInfo,
    ProtocolInfo,
    Row,
    SampleClips,
)
from mer_jax.report.text import text_summary
from mer_jax.report.write import Written, write

__all__ = [
    "STAMP",
    "Cost",
    "Embedded",
    "Embedding",
    "InnerInfo",
    "PoolInfo",
    "ProtocolInfo",
    "Row",
    "SampleClips",
    "Written",
    "text_summary",
    "write",
]
