"""The queue of jobs: a few at a time, each as commands of its own, so that neither a crash nor a restart loses one."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hectares.config.serve import ServeConfig
from hectares.errors import ArtefactError, HectaresError, InputError, ResourceError
from hectares.io.outputs import exclusive
from hectares.service.child import Child, Ending, Excess, Limits
from hectares.service.data_root import DataRoot, Scene, Segmenter
from hectares.service.job import LOG, RECORD, Job, State, load_job, new_id, new_job_time, save_job
from hectares.service.memory import default_limit
from hectares.service.progress import Progress
from hectares.service.steps import MAP, Step, steps_of

_PATIENCE_S = 90.0
_POLL_S = 0.2
_MOST_LOG = 2**20
_MOST_PROBLEMS = 20


class QueueFullError(ResourceError):
    """More jobs wait than may."""


class KeptError(ArtefactError):
    """What shall be deleted is in use, or not ours."""


@dataclass
class _Active:
    """A job under way."""

    progress: Progress
    child: Child | None = None
    is_cancelled: bool = False
    log_bytes: int = field(default=0)


class Runner:
    """Keeps the jobs of a folder, and works on them in threads of its own."""

    def __init__(self, root: DataRoot, program: Sequence[str], config: ServeConfig) -> None:
        """Take a folder; `program` is what a command line of this package begins with."""
        self._root, self._program, self._config = root, tuple(program), config
        own = config.max_memory_mb
        self._limits = Limits(config.max_hours * 3600, default_limit(config.jobs) if own is None else own * 10**6)
        self._jobs: dict[str, Job] = {}
        self._active: dict[str, _Active] = {}
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._is_ending = False
        self.unreadable: list[str] = []
        """What stands in place of records of jobs that cannot be read."""

    # --- Life ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Find the jobs of the folder, and go on with those that are not finished."""
        for folder in sorted(self._root.results.iterdir()):
            if folder.name.startswith(".") or folder.is_symlink() or not (folder / RECORD).is_file():
                continue
            try:
                job = load_job(folder)
            except InputError as error:
                self.unreadable.append(self._root.plainly(str(error)))
                continue
            self._jobs[job.id] = job
            if job.state is State.RUNNING:
                self._keep(job.move(State.QUEUED))
        for number in range(self._config.jobs):
            thread = threading.Thread(target=self._work, name=f"job-{number + 1}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Ask the commands under way to stop; their jobs go on when the service is started again."""
        with self._changed:
            self._is_ending = True
            for active in self._active.values():
                if active.child is not None:
                    active.child.stop()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_PATIENCE_S)

    # --- What is asked ------------------------------------------------------------------------------------

    def jobs(self) -> list[Job]:
        """Give all jobs, the newest first."""
        with self._changed:
            return sorted(self._jobs.values(), key=lambda job: (-job.created, job.id))

    def job(self, job_id: str) -> Job | None:
        """Give the job of an id; None if there is none."""
        with self._changed:
            return self._jobs.get(job_id)

    def folder(self, job: Job) -> Path:
        """Give the folder of a job."""
        return self._root.results / job.id

    def progress(self, job: Job) -> Progress | None:
        """Give how far a job is that is under way."""
        with self._changed:
            active = self._active.get(job.id)
        return None if active is None else active.progress

    def place(self, job: Job) -> int | None:
        """Give the place of a waiting job in the queue, from 1."""
        waiting = self._waiting()
        return next((n for n, other in enumerate(waiting, start=1) if other.id == job.id), None)

    def submit(self, scene: Scene, segmenter: Segmenter, gsd_m: float | None) -> Job:
        """Put a job at the end of the queue. Raises QueueFullError or ResourceError if there is no room."""
        placed = scene.grid.is_georeferenced
        job = Job(
            new_id(scene.name), new_job_time(), scene.id, scene.name, segmenter.id, segmenter.name, segmenter.run,
            placed=placed, gsd_m=None if placed else gsd_m,
        )  # fmt: skip
        self._refuse_no_room()
        with self._changed:
            self._refuse_full()
            self._put(job)
            self._changed.notify_all()
        return job

    def cancel(self, job: Job) -> Job:
        """Stop a job, now or after the step under way; one that has ended stays as it is."""
        with self._changed:
            now = self._jobs.get(job.id, job)
            active = self._active.get(job.id)
            if now.state is State.QUEUED and active is None:
                self._put(now.move(State.STOPPED))
            elif active is not None:
                active.is_cancelled = True
                self._changed.notify_all()
                if active.child is not None:
                    active.child.stop()
            return self._jobs.get(job.id, now)

    def retry(self, job: Job) -> Job:
        """Put a job that failed or was stopped into the queue again; it goes on from where it stood."""
        self._refuse_no_room()
        with self._changed:
            now = self._jobs.get(job.id)
            if now is None:
                raise KeptError(f"the map of {job.scene} was deleted")
            if now.state in {State.FAILED, State.STOPPED}:
                self._refuse_full()
                self._put(now.move(State.QUEUED, message="", problems=(), created=new_job_time()))
                self._changed.notify_all()
            return self._jobs[job.id]

    def delete(self, job: Job) -> None:
        """Delete the folder of a job that has ended. Raises KeptError for one that is not, or not quite."""
        with self._changed:
            if job.id not in self._jobs:
                return
            if self._jobs[job.id].is_open or job.id in self._active:
                raise KeptError(f"the map of {job.scene} is being made; cancel it first")
            with contextlib.ExitStack() as stack:
                try:
                    stack.enter_context(exclusive(self.folder(job) / MAP))
                except ArtefactError as error:
                    raise KeptError(f"the map of {job.scene} is still being written; try again in a minute") from error
                hidden = self._root.hide_result(job.id)
            del self._jobs[job.id]
        self._root.remove_hidden(hidden)

    def delete_scene(self, scene: Scene) -> None:
        """Delete a scene that was sent. Raises KeptError if a map of it is to be made, or if it was not sent."""
        with self._changed:
            if any(job.is_open and job.scene_id == scene.id for job in self._jobs.values()):
                raise KeptError(f"{scene.name}: a map of it is being made; cancel that first")
            if not self._root.is_sent(scene):
                raise KeptError(f"{scene.name}: was not sent to this service, so it is not deleted here")
            self._root.delete_sent(scene)

    def _refuse_full(self) -> None:
        if len(self._waiting()) >= self._config.max_queued:
            raise QueueFullError(f"{self._config.max_queued} maps are waiting already; try again when one is finished")

    def _refuse_no_room(self) -> None:
        free = shutil.disk_usage(self._root.results).free / 1e6
        if free < self._config.min_free_mb:
            raise ResourceError(f"the disk has {free:,.0f} MB left; free some space before another map is made")

    def _waiting(self) -> list[Job]:
        with self._changed:
            waiting = [job for job in self._jobs.values() if job.state is State.QUEUED]
        return sorted(waiting, key=lambda job: (job.created, job.id))

    def _put(self, job: Job) -> None:
        save_job(self.folder(job), job)
        self._jobs[job.id] = job

    # --- Work ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Take jobs from the queue until the service ends."""
        while (job := self._next()) is not None:
            try:
                ended = self._run(job)
            except (HectaresError, OSError) as error:
                ended = {"state": State.FAILED, "message": self._root.plainly(str(error))}
            except Exception as error:  # noqa: BLE001 - a thread that dies would leave the queue standing
                ended = {"state": State.FAILED, "message": f"a fault of this program ({type(error).__name__}: {error})"}
            with self._changed:
                del self._active[job.id]
                self._keep(self._jobs[job.id].move(**ended))
                self._changed.notify_all()

    def _keep(self, job: Job) -> None:
        """Keep a job even if the disk is full: then its record stays as it was, and the job is begun again later."""
        self._jobs[job.id] = job
        with contextlib.suppress(HectaresError, OSError):
            save_job(self.folder(job), job)

    def _next(self) -> Job | None:
        """Wait for a job and mark it as running; None when the service ends."""
        with self._changed:
            while not self._is_ending:
                waiting = self._waiting()
                if waiting:
                    job = waiting[0].move(State.RUNNING)
                    steps = steps_of(job, f"{self._root.results.name}/{job.id}", self._config.threads)
                    self._active[job.id] = _Active(Progress(steps))
                    self._keep(job)
                    return job
                self._changed.wait()
        return None

    def _run(self, job: Job) -> dict[str, Any]:
        """Run the steps that are not done yet, and give the state that follows."""
        folder, active = self.folder(job), self._active[job.id]
        problems: list[str] = list(job.problems)
        self._check_inputs(job, folder)
        self._await_former(folder / MAP, active)
        for number, step in enumerate(active.progress.steps):
            active.progress.begin(number)
            if (folder / step.target).is_file():
                continue
            ending = self._run_step(step, folder, active)
            if ending is None or (not ending.is_well and active.is_cancelled):
                return {"state": State.STOPPED if active.is_cancelled else State.QUEUED}
            if not ending.is_well and self._is_ending:
                return {"state": State.QUEUED}
            problems += [self._root.plainly(p) for p in ending.problems]
            if not ending.is_well:
                message = self._root.plainly(self._reason(step, ending))
                return {"state": State.FAILED, "message": message, "problems": _few(problems)}
        return {"state": State.DONE, "problems": _few(problems)}

    def _run_step(self, step: Step, folder: Path, active: _Active) -> Ending | None:
        """Run the command of a step; None if it was not begun because the job or the service is to end."""
        with self._changed:
            if self._is_ending or active.is_cancelled:
                return None
            active.child = Child(self._program, step.args, self._root.path)

        def listen(line: str) -> None:
            if not active.progress.take(line) and line and active.log_bytes < _MOST_LOG:
                active.log_bytes += len(line)
                with contextlib.suppress(OSError), (folder / LOG).open("a", encoding="utf-8") as log:
                    log.write(f"{step.words}: {line}\n")

        return active.child.wait(listen, self._limits)

    def _check_inputs(self, job: Job, folder: Path) -> None:
        """Raise InputError if the record names what the folder has not: it may be old, or come from elsewhere."""
        scene = self._root.scene(job.scene_id)
        if scene is None or scene.name != job.scene or not self._root.holds(scene.path):
            raise InputError(f"{job.scene}: is no scene of the folder any more; put it back, or ask for another map")
        if (folder / MAP).is_file():
            return
        segmenter = self._root.segmenter(job.segmenter_id)
        if segmenter is None or segmenter.run != job.run:
            raise InputError(f"{job.segmenter}: is no segmenter of the folder any more; put it back, or take another")

    def _reason(self, step: Step, ending: Ending) -> str:
        """Say why a step failed."""
        if ending.excess is Excess.TIME:
            return f"{step.words} took longer than {self._config.max_hours:g} h; --max-hours allows more"
        if ending.excess is Excess.MEMORY and self._limits.bytes is not None:
            return (
                f"{step.words} took more than {self._limits.bytes / 1e6:,.0f} MB of memory and was ended; "
                "--max-memory-mb of the service allows more, and fewer --jobs leave more for each map"
            )
        return ending.message

    def _await_former(self, target: Path, active: _Active) -> None:
        """Wait until the command of a service that was killed has let go of a map. Raises ArtefactError if it stays."""
        waited = 0.0
        while True:
            try:
                with exclusive(target):
                    return
            except ArtefactError:
                waited += _POLL_S
                if waited > _PATIENCE_S:
                    raise
            with self._changed:
                if self._changed.wait_for(lambda: self._is_ending or active.is_cancelled, _POLL_S):
                    return


def _few(problems: Sequence[str]) -> tuple[str, ...]:
    """Keep the first of many problems, each once."""
    found = list(dict.fromkeys(problems))
    rest = len(found) - _MOST_PROBLEMS
    return tuple(found[:_MOST_PROBLEMS] + ([f"and {rest} more, in {LOG}"] if rest > 0 else []))
