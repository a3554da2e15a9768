"""Several runs on the same chips beside each other: one table, one figure, and what of it is more than chance.

An OUT folder holds

    comparison.json         all scores and differences; the layout is told in `core/scoring/comparison.py`
    comparison.csv          a line for each run
    comparison.png          bars, classes, and the same chips as each run sees them
    NAME.json ...           the evaluation of each run
    runs/NAME               the runs of a recipe

Each of them is complete or absent, so that the same command goes on where an earlier one was stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hectares.config.compare import BEST, CompareConfig
from hectares.config.evaluate import EvaluateConfig
from hectares.config.plan import plan_runs
from hectares.config.train import TrainConfig, settings_of
from hectares.core.scoring.bootstrap import Resampling
from hectares.core.scoring.comparison import (
    Comparison,
    Subject,
    check_alike,
    check_same_reference,
    choose_places,
    compare_subjects,
    floor_of,
    kept_classes,
)
from hectares.core.scoring.evaluation import intervals_record, part_iou
from hectares.core.scoring.views import views_of
from hectares.errors import ArtefactError, ConfigError, HectaresError, TrainingError
from hectares.io.artefact import plain, read_artefact, save_csv, save_json, sha256_file, stamp
from hectares.io.builtin import locate
from hectares.io.chips.seen import count_seen
from hectares.io.chips.selection import Selection
from hectares.io.chips.store import ChipStore, open_chips
from hectares.io.journal import difference
from hectares.io.outputs import PREFIX, check_target, exclusive, resolve, restore, staged_files, work_path
from hectares.io.recipes import check_names, find_recipe, read_recipe
from hectares.io.segmenter import StoredSegmenter, find_segmenter
from hectares.io.weight_sets import read_weight_sets, weights_input
from hectares.monitor import QUIET, Monitor, Problem
from hectares.runtime.protocol import open_runtime
from hectares.runtime.scoring import ChipFeed, Scorer
from hectares.view.comparison import Place, draw_comparison
from hectares.view.render import own_limits, stretch_limits, to_rgb
from hectares.view.score_lines import intervals_sentence

KIND = "comparison"
_MATTERS = ("config", "inputs", "version")


@dataclass(frozen=True)
class _Entry:
    """What is compared: an evaluation, and the run it is of, where that is known."""

    name: str
    content: Mapping[str, Any]
    """Of `evaluation.json`."""
    digest: str
    run: Path | None = None
    stored: StoredSegmenter | None = None


# --- Finished runs ----------------------------------------------------------------------------------------


def compare_runs(
    subjects: Sequence[str | Path],
    out: str | Path,
    config: CompareConfig,
    *,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Comparison:
    """Compare finished runs, each scored on the same chips, and evaluations that are there already.

    A subject is a run, a segmenter or an `evaluation.json`, or NAME=PATH. Raises ArtefactError for subjects of other
    classes, chips or splits, ConfigError for names that collide and for fewer than two subjects.
    """
    named = [_split_name(str(s)) for s in subjects]
    if len(named) < 2:
        raise ConfigError(f"a comparison needs two or more runs or evaluations, and last the folder; got {len(named)}")
    names = [name for name, _ in named]
    check_names(names, "names of runs", "; name them yourself: NAME=PATH")
    config.check_against(names)
    runs = {name: find_segmenter(path) for name, path in named if not _is_evaluation(path)}
    if runs and config.chips is None:
        raise ConfigError(f"{next(iter(runs))} is a run; say with --chips CHIPS what runs are scored on")
    store = None if config.chips is None else open_chips(config.chips)
    folder = _begin(out, [path for _, path in named], overwrite=overwrite)
    with _working_in(folder):
        entries = []
        for name, path in named:
            if name not in runs:
                entries.append(_Entry(name, read_artefact(path, "evaluation"), sha256_file(path)))
            elif store is not None:
                entries.append(_evaluate(name, path, store, folder, config, monitor))
        return _finish(entries, store, folder, config, {}, monitor)


def _split_name(text: str) -> tuple[str, Path]:
    """Take NAME=PATH apart; else the name is that of the file or folder."""
    name, equals, rest = text.partition("=")
    if equals and name and rest and not Path(text).exists():
        return name, locate(rest)
    path = locate(text)
    if text.startswith("builtin:"):
        return text.removeprefix("builtin:"), path
    resolved = path.resolve()
    return (resolved.stem if _is_evaluation(path) else resolved.name), path


def _is_evaluation(path: Path) -> bool:
    return path.suffix.lower() == ".json"


# --- A recipe ---------------------------------------------------------------------------------------------


def compare_recipe(
    chips: str | Path,
    out: str | Path,
    config: CompareConfig,
    *,
    background: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    monitor: Monitor = QUIET,
) -> Comparison:
    """Train the runs of a recipe on the same chips, score and compare them.

    `background` are options of `train` for every run, under those of the recipe. Runs that are finished stay, and one
    that was stopped goes on. A run whose loss is not finite is left out, as a problem. Raises ConfigError for what is
    wrong in the recipe before anything is trained.
    """
    if config.recipe is None:
        raise ConfigError("give a recipe: --recipe NAME; `hectares recipes` lists them")
    recipe, store = read_recipe(find_recipe(config.recipe)), open_chips(Path(chips))
    plan = plan_runs(recipe.runs, recipe.shared, config, background or {}, str(recipe.path))
    config.check_against(list(plan))
    _check_runs(plan, store, config)
    folder = _begin(out, [store.folder / "chips.json"], overwrite=overwrite)
    with _working_in(folder):
        trained = [n for n, c in plan.items() if _train(n, c, store, folder, overwrite=overwrite, monitor=monitor)]
        if len(trained) < 2:
            raise TrainingError(f"{folder}: only {len(trained)} of {len(plan)} runs could be trained; see above")
        entries = [_evaluate(name, folder / "runs" / name, store, folder, config, monitor) for name in trained]
        return _finish(entries, store, folder, config, {"recipe": sha256_file(recipe.path)}, monitor)


def _check_runs(plan: Mapping[str, TrainConfig], store: ChipStore, config: CompareConfig) -> None:
    """Refuse before anything is trained what a run would be refused for when its turn comes."""
    from hectares.model.training.beginning import check_words, find_start

    store.chips(config.split)
    legends: dict[str, tuple[str, ...]] = {}
    for name, training in plan.items():
        try:
            chosen = Selection.of(store, bands=training.bands, only=training.only)
            views_of(chosen.legend, without=config.without)
            names = chosen.stats.names
            options = check_words(training, multilabel=chosen.multilabel, band_names=names, chip_px=store.chip_px)
            find_start(training, options, read_weight_sets())
        except HectaresError as error:
            raise type(error)(f"run {name}: {error}") from error
        if training.devices * training.nodes > 1:
            raise ConfigError(f"run {name}: compare trains on one device; use `hectares train`, then compare the runs")
        legends[name] = chosen.legend.names
        first = next(iter(legends))
        if legends[name] != legends[first]:
            raise ConfigError(f"runs {first} and {name} learn other classes; --only must be the same for all")


def _train(
    name: str, training: TrainConfig, store: ChipStore, folder: Path, *, overwrite: bool, monitor: Monitor
) -> bool:
    """Train a run unless it is there; tells if there is one now."""
    from hectares.train import train_segmenter

    run = folder / "runs" / name
    if _is_kept(run, training, store, overwrite=overwrite):
        return True
    try:
        train_segmenter(store.folder, run, training, overwrite=overwrite, monitor=_Named(monitor, name))
    except TrainingError as error:
        monitor.problem(Problem(f"run {name}", str(error), "it is left out of the comparison", "incomplete"))
        return False
    return True


def _is_kept(run: Path, training: TrainConfig, store: ChipStore, *, overwrite: bool) -> bool:
    restore(run)
    if not (run / "run.json").is_file():
        return False
    stores = [store, *(open_chips(mixed) for mixed, _ in training.mixed)]
    names = ["chips", *(f"chips_{n}" for n in range(2, len(stores) + 1))]
    inputs = {name: s.fingerprint for name, s in zip(names, stores, strict=True)} | weights_input(training.weights)
    wanted = {"config": plain(settings_of(training)), "inputs": inputs}
    head = read_artefact(run / "run.json", "run")
    found = {key: head.get(key) for key in wanted}
    if found == wanted:
        return True
    if overwrite:
        return False
    raise ArtefactError(
        f"{run}: is a finished run of another configuration ({difference(found, wanted)}); give --overwrite to train "
        "it again, or choose another folder"
    )


@dataclass(frozen=True)
class _Named:
    """A monitor that says which run it is about."""

    inner: Monitor
    name: str
    notes: bool = True
    """False leaves out what is good to know: it is said of the comparison."""

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        self.inner.progress(f"{self.name}: {stage}", done, total, note)

    def problem(self, problem: Problem) -> None:
        if self.notes or problem.severity != "note":
            self.inner.problem(replace(problem, where=f"{self.name}: {problem.where}"))

    def raise_if_stopped(self) -> None:
        self.inner.raise_if_stopped()


# --- Scoring ----------------------------------------------------------------------------------------------


def _begin(out: str | Path, inputs: Iterable[Path], *, overwrite: bool) -> Path:
    """Refuse a folder that holds a comparison, or anything else; gives the folder."""
    folder = resolve(out)
    target = folder / "comparison.json"
    if folder.is_file():
        raise ArtefactError(f"{folder}: is a file; expected the name of a folder")
    if folder.is_dir() and not target.exists() and not work_path(target).exists():
        strange = sorted(p.name for p in folder.iterdir() if not p.name.startswith(PREFIX))
        if strange:
            raise ArtefactError(f"{folder}: holds {strange[0]} and no comparison; choose another folder")
    check_target(target, overwrite=overwrite, inputs=inputs)
    return folder


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """Hold the folder for this process, and say that it is ours before anything is in it."""
    with exclusive(folder / "comparison.json"):
        work_path(folder / "comparison.json").touch()
        yield


def _evaluate(name: str, run: Path, store: ChipStore, folder: Path, config: CompareConfig, monitor: Monitor) -> _Entry:
    """Score a run, unless its evaluation with the same inputs and options is there."""
    from hectares.evaluate import evaluate_chips

    stored, target = find_segmenter(run), folder / f"{name}.json"
    settings = EvaluateConfig(
        split=config.split, without=config.without, level=config.level, draws=config.draws, device=config.device
    )
    head = stamp("", config=asdict(settings), inputs={"segmenter": stored.sha256, "chips": store.fingerprint})
    content = read_artefact(target, "evaluation") if target.is_file() else {}
    if any(content.get(key) != head[key] for key in _MATTERS):
        evaluate_chips(run, store.folder, target, settings, overwrite=True, monitor=_Named(monitor, name, notes=False))
        content = read_artefact(target, "evaluation")
    elif seen := count_seen(stored.spec, store, config.split):  # said again, as when it was scored
        what = f"{seen} of {store.counts[config.split]} scored chips were seen in training or used to choose an epoch"
        monitor.problem(Problem(f"{name}: {store.folder}", what, "the scores say nothing about new places"))
    return _Entry(name, content, stored.sha256, run, stored)


def _finish(
    entries: Sequence[_Entry],
    store: ChipStore | None,
    folder: Path,
    config: CompareConfig,
    inputs: Mapping[str, str],
    monitor: Monitor,
) -> Comparison:
    """Compare, draw and write."""
    check_same_reference({e.name: e.content for e in entries})
    subjects = [Subject.of(e.name, e.content, _facts(e)) for e in entries]
    check_alike(subjects)
    legend, parts, how = subjects[0].legend, subjects[0].parts, Resampling(config.draws, config.level)
    view = views_of(legend, without=config.without, overlapping=parts.overlapping)[1 if config.without else 0]
    against = config.against if config.against in {s.name for s in subjects} else subjects[0].name
    monitor.progress("comparing", 0, 2)
    floor = floor_of(subjects[0], entries[0].content, config.without)
    found = compare_subjects(subjects, floor, view, how, against=None if config.against == BEST else against)
    monitor.progress("comparing", 1, 2)
    places = _places(entries, subjects, store, config)
    intervals = intervals_record(parts, how)
    if "note" in intervals:
        monitor.problem(Problem(str(folder), intervals["note"], "look at the scores by part", "note"))
    shown = replace(legend, classes=tuple(c for c in legend.classes if c.name in found.classes))
    settings = asdict(config) | {"chips": None if config.chips is None else config.chips.name}
    settings |= {"recipe": None if config.recipe is None else Path(config.recipe).name}
    head = stamp(KIND, config=settings, inputs={**inputs, **{e.name: e.digest for e in entries}})
    content = head | found.to_json() | {"split": entries[0].content.get("split"), "legend": shown.to_json()}
    content |= {"intervals": intervals, "examples": [[place.word, place.title] for place in places]}
    files = [folder / f"comparison.{suffix}" for suffix in ("csv", "png", "json")]
    with staged_files(files, overwrite=True) as (table, figure, record):
        save_csv(table, found.columns, found.rows())
        draw_comparison(figure, found, shown, places, about=intervals_sentence(intervals))
        save_json(record, content)
    work_path(files[-1]).unlink(missing_ok=True)
    monitor.progress("comparing", 2, 2)
    return found


def _facts(entry: _Entry) -> dict[str, Any]:
    """What the run is, for the table."""
    if entry.stored is None or entry.run is None:
        return {}
    spec, content = entry.stored.spec, entry.stored.content
    facts = {"network": spec.network, "encoder": spec.options.get("encoder"), "bands": list(spec.bands)}
    facts |= _parameters(entry.stored)
    best, record = content.get("best") or {}, entry.run / "run.json"
    seconds = read_artefact(record, "run").get("seconds") if record.is_file() else None
    weights = str(content.get("config", {}).get("weights", "none")).partition("#")[0]
    facts |= {
        "weights": Path(weights).name if Path(weights).suffix else weights,
        "epochs": content.get("epochs"),
        "best_epoch": None if "epoch" not in best else int(best["epoch"]),
        "training_minutes": None if seconds is None else round(float(seconds) / 60, 2),
        "val_loss": best.get("val_loss"),
    }
    return facts


def _parameters(stored: StoredSegmenter) -> dict[str, Any]:
    """Count what was trained and what was not; nothing without torch."""
    try:
        from hectares.model.training.size import segmenter_parameters
    except ImportError:
        return {}
    content = stored.content
    frozen, reshaped = content.get("config", {}).get("freeze_epochs") == "all", content.get("weights") or {}
    counts = segmenter_parameters(stored.spec, frozen_encoder=frozen, reshaped=reshaped.get("reshaped", ()))
    return dict(zip(("parameters_trainable", "parameters_frozen"), counts, strict=True))


# --- Examples ---------------------------------------------------------------------------------------------


def _places(
    entries: Sequence[_Entry], subjects: Sequence[Subject], store: ChipStore | None, config: CompareConfig
) -> list[Place]:
    """Run those that can be run on chips from the worst to the best."""
    parts = subjects[0].parts
    runs = {e.name: e.stored for e in entries if e.stored is not None}
    if store is None or not runs or parts.overlapping:
        return []
    scores = np.stack([part_iou(s.parts) for s in subjects])
    chosen = choose_places(scores, config.examples)
    numbers, bands = [n for n, _ in chosen], store.stats.names
    chips = [store.chips(config.split).read(n) for n in numbers]
    common = stretch_limits([(chip.image, chip.valid) for chip in chips], bands)
    by_run = {name: _predict(stored, store, numbers, config) for name, stored in runs.items()}
    means = {s.name: row for s, row in zip(subjects, scores, strict=True)}
    label = Selection.like(store, next(iter(runs.values())).spec).label
    kept = kept_classes(subjects[0].legend, config.without)
    places = []
    for k, ((n, word), chip) in enumerate(zip(chosen, chips, strict=True)):
        limits = own_limits(chip.image, chip.valid, bands, common)
        picture = to_rgb(chip.image, bands, chip.valid, limits=limits)
        said = tuple((name, kept[predicted[k]], float(means[name][n])) for name, predicted in by_run.items())
        places.append(Place(parts.names[n], word, picture, kept[label(chip.label)], said))
    return places


def _predict(
    stored: StoredSegmenter, store: ChipStore, numbers: Sequence[int], config: CompareConfig
) -> list[NDArray[np.uint8]]:
    chosen, scaler = Selection.like(store, stored.spec), stored.spec.scaler
    records = store.records(config.split)
    feed = ChipFeed(
        chosen.chips(config.split), lambda n: chosen.scaling_of(records[n].scene) if scaler.by_scene else scaler
    )
    scorer = Scorer(open_runtime(stored, device=config.device))
    return [scorer.decide(logits, chip) for _, chip, logits in scorer.run(feed, numbers)]
