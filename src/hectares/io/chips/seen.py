"""Which chips a segmenter has seen in training, or was chosen by."""

from __future__ import annotations

from hectares.core.spec import SegmenterSpec
from hectares.core.window import Window
from hectares.io.chips.store import ChipStore


def count_seen(spec: SegmenterSpec, store: ChipStore, split: str) -> int:
    """Give the number of chips of a split that touch the footprint of a segmenter, in the same images."""
    seen = {f["sha256"]: [Window(*w) for w in f["windows"]] for f in spec.footprint}  # type: ignore[union-attr, misc]
    hashes = store.content["inputs"]
    touched = (any((r.window & w).pixels for w in seen.get(hashes.get(r.scene), ())) for r in store.records(split))
    return sum(touched)
