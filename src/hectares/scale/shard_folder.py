"""One shard of a prediction as a folder of its own, for machines that share no disk; and shards put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hectares.errors import ArtefactError, ConfigError, HectaresError
from hectares.io.artefact import is_as_saved, plain, read_json, save_json
from hectares.io.journal import Journal, difference
from hectares.io.outputs import check_target, disk_errors, replace_folder
from hectares.io.rasters.rescaled import RescaledScene
from hectares.monitor import Monitor
from hectares.scale.assembling import Assembly
from hectares.scale.blueprint import Blueprint
from hectares.scale.computing import compute_batches
from hectares.scale.scene_job import SceneJob, assembly_of

SUFFIX = ".shard"
HEAD = "shard.json"
_NAMED = 5


@dataclass(frozen=True, eq=False)
class Shard:
    """A finished shard."""

    folder: Path
    number: int
    count: int
    blueprint: Blueprint


def write_shard(job: SceneJob, target: Path, number: int, count: int, monitor: Monitor) -> None:
    """Compute one shard into a folder that takes its name when all of it is there; one that is there already is kept.

    Raises ArtefactError if something else has the name, ConfigError if the map needs more than finished batches.
    """
    if isinstance(job.setup.work.source, RescaledScene) or job.out_of_range is not None:
        raise ConfigError(
            f"{target}: with --resample and --out-of-range the scene is needed again at the end; "
            "end the name of the result in .tif, on a disk that all machines share"
        )
    blueprint = Blueprint.of(job.setup, job.source.grid)
    head = plain({"hectares": "shard", "schema": 1, "shard": [number, count], "blueprint": blueprint.to_json()})
    if target.is_dir() and _is_finished(target, head):
        return
    if target.exists():
        raise ArtefactError(f"{target}: exists already, and is not this shard; remove it, or choose another name")
    check_target(target, overwrite=False, inputs=job.inputs)
    journal = Journal(target, job.setup.provenance, overwrite=False)
    compute_batches(job, assembly_of(job, journal), job.setup.plan.shard(number, count), monitor)
    with disk_errors(target):
        save_json(journal.folder / HEAD, head)
        replace_folder(journal.folder, target)


def _is_finished(folder: Path, head: dict[str, object]) -> bool:
    try:
        found = read_json(folder / HEAD)
    except (OSError, HectaresError):
        return False
    return isinstance(found, dict) and all(found.get(key) == value for key, value in head.items())


def read_shard(folder: Path) -> Shard:
    """Read what a shard says of itself. Raises ArtefactError if it is none, or was changed."""
    head = folder / HEAD
    if not head.is_file():
        raise ArtefactError(
            f"{folder}: is no finished shard (it has no {HEAD}); "
            f"`hectares predict RUN SCENE NAME{SUFFIX} --shard I/N` writes one"
        )
    try:
        if not is_as_saved(head):
            raise ArtefactError(f"{head}: was changed or cut short; copy the shard again")
        record = read_json(head)
        number, count = record["shard"]
        return Shard(folder, int(number), int(count), Blueprint.from_json(record["blueprint"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(f"{head}: is not as this version writes it ({error}); compute the shard again") from error


def read_shards(folders: Sequence[Path]) -> list[Shard]:
    """Read shards. Raises ArtefactError unless all of them are of one prediction."""
    shards = [read_shard(folder) for folder in folders]
    first = shards[0].blueprint.to_json()
    for other in shards[1:]:
        found = other.blueprint.to_json()
        if found != first:
            raise ArtefactError(
                f"{other.folder}: is of another prediction than {shards[0].folder} ({difference(first, found)}); "
                "all shards need the same run, scene, options, versions and kind of device"
            )
    return shards


def check_complete(shards: Sequence[Shard], done: Assembly) -> None:
    """Raise ArtefactError if batches are missing or damaged, with the shards that hold them."""
    missing = [n for n in range(len(done.plan)) if not done.has(n)]
    if not missing:
        return
    damaged = [shard for shard in shards if _holds(shard, missing)]
    lost = [n for n in missing if not any(n in done.plan.shard(s.number, s.count) for s in damaged)]
    parts = [f"{s.folder}: lacks batches, or they are damaged; copy it again" for s in damaged]
    if lost:
        count = Counter(s.count for s in shards).most_common(1)[0][0]
        numbers = [n for n in range(1, count + 1) if any(batch in done.plan.shard(n, count) for batch in lost)]
        scene = shards[0].blueprint.provenance.get("scene", "SCENE")
        parts.append(
            f"shard(s) {_listed(f'{n}/{count}' for n in numbers)} of {scene} are not there; compute them with the "
            f"options of the others: hectares predict RUN {scene} {numbers[0]}{SUFFIX} --shard {numbers[0]}/{count}"
        )
    raise ArtefactError(f"{len(missing)} of {len(done.plan)} batches are missing. " + ". ".join(parts))


def _holds(shard: Shard, missing: Iterable[int]) -> bool:
    mine = shard.blueprint.plan.shard(shard.number, shard.count)
    return any(number in mine for number in missing)


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more
