"""How large the network of a segmenter is."""

from __future__ import annotations

from collections.abc import Collection

from hectares.core.spec import SegmenterSpec
from hectares.model.networks.zoo import build_network, count_parameters
from hectares.model.training.freezing import Freezing


def segmenter_parameters(
    spec: SegmenterSpec, *, frozen_encoder: bool, reshaped: Collection[str] = ()
) -> tuple[int, int]:
    """Give the number of parameters that were trained, and of those that never were.

    `frozen_encoder` tells that the encoder was kept as it was, but for the arrays `reshaped`.
    """
    network = build_network(spec.network, spec.options, bands=len(spec.bands), classes=len(spec.legend))
    if frozen_encoder:
        Freezing(network, epochs=None, learn_from_start=reshaped).apply(0)
    return count_parameters(network)
