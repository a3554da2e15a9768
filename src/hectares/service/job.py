"""A job: one scene to be mapped with one segmenter, as a record in a folder of its own.

The record is replaced in one step whenever the state changes, so that a service that is started again, after
whatever end, finds each job in a state that it was in.
"""

from __future__ import annotations

import math
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from hectares import __version__
from hectares.errors import InputError
from hectares.io.artefact import read_json, write_json

RECORD = "job.json"
LOG = "log.txt"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_OTHER = re.compile(r"[^a-z0-9]+", re.ASCII)
_SLUG = 40
_TEXTS = ("id", "scene_id", "scene", "segmenter_id", "segmenter", "run", "message", "version")


class State(StrEnum):
    """Where a job stands. It moves from queued to running, and from there to one of the others; see `MOVES`."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


MOVES: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.STOPPED}),
    State.RUNNING: frozenset({State.DONE, State.FAILED, State.STOPPED, State.QUEUED}),  # queued: the service ends
    State.DONE: frozenset(),
    State.FAILED: frozenset({State.QUEUED}),
    State.STOPPED: frozenset({State.QUEUED}),
}
"""What may follow a state."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be made, and how far it is."""

    id: str
    created: float
    """Seconds since the epoch; jobs are taken in this order."""
    scene_id: str
    scene: str
    """Path of the scene below the folder of the service."""
    segmenter_id: str
    segmenter: str
    """Name of the segmenter, for people."""
    run: str
    """What the command line is given for it."""
    placed: bool
    """True if the scene knows where on Earth it is."""
    gsd_m: float | None = None
    """Meters per pixel, as the user says, of a scene without a place."""
    state: State = State.QUEUED
    message: str = ""
    """Why it failed, in one sentence."""
    problems: tuple[str, ...] = ()
    """What the steps found that did not stop them."""
    version: str = __version__

    def move(self, state: State, **changes: Any) -> Job:
        """Give the job in another state.

        >>> job = Job("a", 0.0, "s", "s.tif", "g", "g", "./g", placed=True)
        >>> job.move(State.RUNNING).state
        <State.RUNNING: 'running'>
        >>> job.move(State.DONE)
        Traceback (most recent call last):
            ...
        ValueError: a queued job cannot become done
        """
        if state not in MOVES[self.state]:
            raise ValueError(f"a {self.state} job cannot become {state}")
        return replace(self, state=state, **changes)

    @property
    def is_open(self) -> bool:
        """True if there is still something to do for it."""
        return self.state in {State.QUEUED, State.RUNNING}


def new_id(scene: str) -> str:
    """Give an id that tells people which scene it is, and is safe as the name of a folder."""
    return f"{slug(Path(scene).stem)}-{secrets.token_hex(4)}"


def new_job_time() -> float:
    """Give the time of a job that is made now."""
    return time.time()


def slug(text: str) -> str:
    """Give a text in small letters, digits and hyphens.

    >>> slug("../Tile 8 (image)_part_009"), slug("Wälder"), slug("地图")
    ('tile-8-image-part-009', 'w-lder', 'scene')
    """
    return _OTHER.sub("-", text.lower()).strip("-")[:_SLUG].strip("-") or "scene"


def is_id(text: str) -> bool:
    """Tell if a text may be the id of a job.

    >>> is_id("town-01ab23cd"), is_id(".."), is_id("a/b"), is_id("")
    (True, False, False, False)
    """
    return _ID.fullmatch(text) is not None


def save_job(folder: Path, job: Job) -> None:
    """Write the record of a job into its folder, complete or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RECORD, asdict(job), overwrite=True)


def load_job(folder: Path) -> Job:
    """Read the record of a job. Raises InputError if it is none, or if its folder would have us write elsewhere."""
    link = next((path for path in folder.iterdir() if path.is_symlink()), None)
    if link is not None:
        raise InputError(f"{link}: is a link, and what is written to it would go elsewhere; move the folder away")
    content = read_json(folder / RECORD)
    try:
        known = {f.name for f in fields(Job)}
        values = {k: v for k, v in content.items() if k in known}
        state, problems = State(values.pop("state")), tuple(map(str, values.pop("problems")))
        job = Job(**values, state=state, problems=problems)
        _check_types(job)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / RECORD}: is no record of a job ({error}); move the folder away") from error
    if job.id != folder.name or not is_id(job.id):
        raise InputError(f"{folder / RECORD}: is the record of {job.id!r}; the folder was renamed")
    return job


def _check_types(job: Job) -> None:
    """Raise ValueError for a value that is not of its kind."""
    wrong = [name for name in _TEXTS if not isinstance(getattr(job, name), str)]
    wrong += [] if isinstance(job.placed, bool) else ["placed"]
    wrong += [] if _is_number(job.created) else ["created"]
    wrong += [] if job.gsd_m is None or (_is_number(job.gsd_m) and job.gsd_m > 0) else ["gsd_m"]
    if wrong:
        raise ValueError(f"{wrong[0]} is {getattr(job, wrong[0])!r:.40}")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
