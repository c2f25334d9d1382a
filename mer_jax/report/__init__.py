"""Results as files and text: numbers never travel without their conditions."""

from mer_jax.report.row import STAMP, ProtocolInfo, Row
from mer_jax.report.text import text_summary
from mer_jax.report.write import Written, write

__all__ = [
    "STAMP",
    "ProtocolInfo",
    "Row",
    "Written",
    "text_summary",
    "write",
]
