"""The command `assemble`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hectares.cli.console import ConsoleMonitor, next_step
from hectares.cli.options import Writing
from hectares.cli.running import Outcome, run_verb
from hectares.errors import ConfigError


def assemble(
    *shards: Annotated[Path, Parameter(name="SHARD... OUT")],
    scores: Path | None = None,
    general: Writing = Writing(),  # noqa: B008 - a frozen value
) -> int:
    """Put shards together that `predict --shard` computed on machines that share no disk.

    The map is that of one process, to the byte. Neither the scene nor the run is needed.

    Example: `hectares assemble town-*.shard map.tif`

    Parameters
    ----------
    shards
        All shards, folders NAME.shard in any order, and last the map to write.
    scores
        Write the score of each class too, if the shards keep them: a GeoTIFF of one band a class.
    """

    def work(monitor: ConsoleMonitor) -> Outcome:
        from hectares.assemble import assemble_shards

        if len(shards) < 2:
            raise ConfigError("assemble needs at least one shard and, last, the map to write")
        *folders, out = shards
        assemble_shards(folders, out, scores=scores, overwrite=general.overwrite, monitor=monitor)
        written = [str(out)] if scores is None else [str(out), str(scores)]
        record = {"map": out, "scores": scores, "shards": len(folders)}
        return Outcome(record, [*written, f"next: {next_step('measure', out, 'areas.csv')}"])

    return run_verb(general, None, work)
