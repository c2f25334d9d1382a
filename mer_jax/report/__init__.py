"""Results as files and text: numbers never travel without their conditions."""

from mer_jax.report.row import STAMP, ProtocolInfo, Published, Row
from mer_jax.report.text import text_summary
from mer_jax.report.write import Written, write

__all__ = [
    "STAMP",
    "ProtocolInfo",
    "Published",
    "Row",
    "Written",
    "text_summary",
    "write",
]
