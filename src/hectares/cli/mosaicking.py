"""`predict --mosaic`: many scenes to one map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hectares.cli.console import next_step, table
from hectares.cli.launching import Cluster, mosaic_orders, share_out, share_with_cluster
from hectares.cli.options import Writing
from hectares.cli.running import Outcome
from hectares.cli.showing import cost_rows
from hectares.errors import ConfigError

if TYPE_CHECKING:
    from hectares.cli.console import ConsoleMonitor
    from hectares.config.mosaic import MosaicConfig
    from hectares.config.predict import PredictConfig


def run_mosaic(
    run: Path,
    scenes: Sequence[Path],
    out: Path,
    config: PredictConfig,
    mosaic: MosaicConfig,
    *,
    scores: Path | None,
    plan: bool,
    workers: int,
    dask: str | None,
    shard: str | None,
    general: Writing,
    monitor: ConsoleMonitor,
) -> Outcome:
    """Make one map of many scenes, or one shard of the work, or tell what it would be."""
    from hectares.io.outputs import work_path
    from hectares.mosaic import begin_mosaic, maps_of, plan_mosaic, predict_mosaic, predict_mosaic_shard

    if scores is not None:
        raise ConfigError("--mosaic writes one class map and no scores: those of several scenes are not mixed")
    if plan:
        found = plan_mosaic(run, scenes, config, mosaic, monitor=monitor)
        height, width = found["shape"]
        rows = [
            ("grid", f"{height:,} x {width:,} px of {sum(found['gsd_m']) / 2:.4g} m in {found['crs']}"),
            ("where they overlap", found["rule"]),
            ("mapped", "as one scene" if found["apart"] is None else f"one by one, since {found['apart']}"),
            *((f"scene {n}", f"{s['name']}, {s['acquired'] or 'no date'}") for n, s in enumerate(found["scenes"], 1)),
            *(("left out", name) for name in found["left_out"]),
            *cost_rows(found, out),
        ]
        return Outcome({"mosaic": found}, [table(("mosaic", str(out)), rows)])
    if shard is not None:
        predict_mosaic_shard(
            run, scenes, out, config, mosaic, shard=shard, overwrite=general.overwrite, monitor=monitor
        )
        again = "when all shards are done, give the same command without --shard"
        return Outcome({"shard": shard}, [f"shard {shard} is done", f"next: {again}"])
    if dask is not None:
        orders = mosaic_orders(run, scenes, out, config, mosaic, overwrite=general.overwrite)
        share_with_cluster(orders, Cluster(dask, workers), monitor)
    elif workers > 1:
        if general.overwrite and work_path(out.resolve()).exists():
            begin_mosaic(run, scenes, out, config, mosaic, overwrite=True)
        share_out([out, *maps_of(out, len(scenes))], workers, monitor)
    predict_mosaic(run, scenes, out, config, mosaic, overwrite=general.overwrite, monitor=monitor)
    return Outcome({"maps": [out], "scores": None}, [str(out), f"next: {next_step('measure', out, 'areas.csv')}"])
