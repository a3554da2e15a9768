"""A vector layer as its file has it, before anything is understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from hectares.monitor import Problem


@dataclass(frozen=True)
class RawLayer:
    """One layer as it stands in a file."""

    name: str
    crs: str | None
    """As the file says it; None if it says none."""
    wkb: NDArray[Any]
    """Well-known binary (N,) or None where a feature has no geometry."""
    ids: tuple[int, ...]
    """Feature ids, as GIS programs show them."""
    fields: tuple[str, ...]
    """Names of all attributes, also of those that were not read."""
    columns: Mapping[str, tuple[Any, ...]]
    """Attributes that were read: text stays text, whole numbers are int, null is None."""
    notes: tuple[Problem, ...] = ()
