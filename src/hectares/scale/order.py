"""What a process on another machine has to know to compute any batch of a map."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hectares.config.mosaic import MosaicConfig
from hectares.config.predict import PredictConfig
from hectares.monitor import QUIET
from hectares.scale.mosaic_plan import MosaicPlan, open_together
from hectares.scale.scene_job import SceneJob, open_job


@dataclass(frozen=True)
class Order:
    """A map to compute; paths are those of a disk that all machines share."""

    segmenter: str
    scene: str
    target: Path
    config: PredictConfig
    with_scores: bool = False
    overwrite: bool = False
    """Discard what is left of an unfinished run of another configuration; a map that is there stays meanwhile."""
    others: tuple[str, ...] = ()
    """Further scenes, mapped with the first as one."""
    mosaic: MosaicConfig | None = None
    """How scenes are mapped as one; None for a scene alone."""

    @contextmanager
    def opened(self) -> Iterator[SceneJob]:
        """Open all that it takes."""
        if self.mosaic is None:
            with open_job(self.segmenter, self.scene, self.config, with_scores=self.with_scores, monitor=QUIET) as job:
                yield job
            return
        plan = MosaicPlan.of(self.segmenter, (self.scene, *self.others), self.config, self.mosaic, QUIET)
        with open_together(plan, self.config, QUIET) as job:
            yield job
