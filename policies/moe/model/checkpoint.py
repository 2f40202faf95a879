"""A spec against the checkpoint that it is of: `model.safetensors.index.json` knows how many bytes there are.

Hybrid models and new families make what a config means uncertain; bytes that are off by more than a tenth say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foresail.policies.moe.model.fields import Fields
from foresail.policies.moe.spec import MoeSpec

TOLERANCE = 0.1  # towers for pictures, biases and norms are far less


@dataclass(frozen=True, slots=True)
class Checked:
    """A spec beside its checkpoint.

    Args:
        checkpoint_bytes: As the index says.
        least_bytes: What the spec makes of it, at least: without multi-token prediction, or routed experts alone where
            the rest is not known.
        most_bytes: At most; None where it cannot be told.
        off: By which share the checkpoint lies outside of that, 0 inside.
    """

    checkpoint_bytes: float
    least_bytes: float
    most_bytes: float | None
    off: float

    @property
    def agrees(self) -> bool:
        """Whether the spec can be relied on."""
        return self.off <= TOLERANCE

    @property
    def message(self) -> str:
        """One sentence."""
        most = "" if self.most_bytes is None else f" to {self.most_bytes / 1e9:.1f}"
        told = (
            f"The checkpoint has {self.checkpoint_bytes / 1e9:.1f} GB, by its config {self.least_bytes / 1e9:.1f}{most}"
        )
        if self.most_bytes is None:
            told += " or more"
        return (
            f"{told}: {'they agree' if self.agrees else f'{100 * self.off:.0f} % off, so do not rely on the config'}."
        )


def check_checkpoint(spec: MoeSpec, index: Mapping[str, Any], source: str) -> Checked:
    """Compare a spec with an index.

    Raises:
        InputError: The index does not say how many bytes there are.
    """
    metadata = Fields(source, index).inner("metadata")
    if metadata is None:
        Fields(source, index).fail("metadata", "is missing", "give a model.safetensors.index.json")
    found = float(metadata.whole("total_size"))
    least = spec.routed_bytes if spec.total_bytes is None else spec.total_bytes
    most = None if spec.total_bytes is None else least + (spec.mtp_bytes or 0.0)
    under, over = max(0.0, least - found) / found, 0.0 if most is None else max(0.0, found - most) / found
    return Checked(found, least, most, max(under, over))
