"""Is a file still what was written, and does it follow from what it names? Digests, tables and windows made again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from hectares.config.measure import MeasureConfig
from hectares.config.predict import PredictConfig
from hectares.config.verify import VerifyConfig
from hectares.core.confusion import Confusion, PlaneConfusion
from hectares.core.gaps import Gaps
from hectares.core.legend import Legend
from hectares.core.scoring.bootstrap import Resampling
from hectares.core.scoring.evaluation import SCORE_COLUMNS, Evaluation
from hectares.core.scoring.parts import Parts
from hectares.core.scoring.score_sheet import SCORE_ROW, nest, score_rows
from hectares.core.scoring.views import views_of
from hectares.doctor.proof import Mismatch as Mismatch
from hectares.doctor.proof import Proof, compare_table, prove_chips, prove_json, prove_map, prove_rows, prove_segmenter
from hectares.errors import ConfigError, HectaresError, InputError
from hectares.io.artefact import plain, read_json, save_csv, sha256_file
from hectares.io.builtin import PREFIX as BUILTIN
from hectares.io.builtin import builtin_names, locate
from hectares.io.journal import Journal, difference
from hectares.io.rasters.class_map import ClassMap
from hectares.io.scene_contract import InputRule, hash_scene, open_for, scene_files
from hectares.io.segmenter import SPEC_FILE, find_segmenter
from hectares.io.shapes.layer_name import split_layer_name
from hectares.measure import measure_maps
from hectares.monitor import QUIET, Monitor, track
from hectares.runtime.protocol import open_runtime
from hectares.scale.assembling import Assembly
from hectares.scale.setup import Setup, find_members, set_up

_VECTORS = {".gpkg", ".geojson", ".fgb"}


@dataclass(frozen=True)
class Verification:
    """What was found about one file."""

    path: Path
    kind: str
    agrees: tuple[str, ...]
    """What was compared and is as recorded, one sentence each."""
    unproven: tuple[str, ...]
    """What could not be compared, and why."""
    mismatches: tuple[Mismatch, ...]
    """What is not as recorded."""

    @property
    def is_proven(self) -> bool:
        """True if nothing that was compared differs."""
        return not self.mismatches


def verify_file(
    path: str | Path,
    config: VerifyConfig = VerifyConfig(),  # noqa: B008 - a frozen value
    *,
    monitor: Monitor = QUIET,
) -> Verification:
    """Compare a class map, a table, an evaluation, a sample, chips, a run or a segmenter with what it says of itself.

    Nothing is written. Raises InputError or ArtefactError for a file that says nothing of itself.
    """
    path = locate(path)
    proof = Proof()
    kind = _verify(path, config, proof, monitor)
    return Verification(path, kind, tuple(proof.agrees), tuple(proof.unproven), tuple(proof.mismatches))


def _verify(path: Path, config: VerifyConfig, proof: Proof, monitor: Monitor) -> str:
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    if path.is_dir():
        if (path / "chips.json").is_file():
            prove_chips(path, proof, monitor)
            return "chips"
        prove_segmenter(path, proof)
        return "segmenter"
    suffix = path.suffix.lower()
    if suffix == ".csv":
        beside = path.with_name(path.name.removesuffix(".csv").removesuffix(".scores") + ".json")
        if not beside.is_file():
            raise InputError(f"{path}: has no {beside.name} beside it, which says what it was made from")
        return _verify_json(beside, config, proof, monitor, table=path)
    if suffix == ".json":
        return _verify_json(path, config, proof, monitor)
    if suffix in _VECTORS:
        return _verify_sample(path, config, proof)
    opened = prove_map(path, proof, monitor)
    if opened is not None:
        with opened:
            _verify_origin(opened, config, proof, monitor)
    return "class map"


# --- A map and what it was made from ----------------------------------------------------------------------


def _verify_origin(opened: ClassMap, config: VerifyConfig, proof: Proof, monitor: Monitor) -> None:
    """Compare scene and segmenters with their hashes, and predict some windows again."""
    proof.unproven.extend(f"the map has gaps: {said}" for said in Gaps.told_by(opened.provenance).sentences())
    inputs: Mapping[str, str] = opened.provenance.get("inputs", {})
    if "scene" not in inputs or "segmenter" not in inputs:
        why = "the map names neither scene nor segmenter: it was not predicted"
        if "mosaic" in opened.provenance:
            why = "no window was predicted again: the map is a mosaic of several scenes"
        proof.unproven.append(why)
        return
    scene = _find_scene(opened, config, proof, monitor)
    asked = sorted((k for k in inputs if k.startswith("segmenter")), key=_order)
    runs = [_find_run(opened, inputs[k], config if k == "segmenter" else None, proof) for k in asked]
    if "resampled" in opened.provenance:
        proof.unproven.append("no window was predicted again: the network saw the scene with pixels of another size")
    if scene is None or None in runs or not config.windows or "resampled" in opened.provenance:
        return
    try:
        with _prepared(opened, scene, [str(r) for r in runs], proof, monitor) as ready:
            if ready is not None:
                _predict_again(opened, *ready, config, proof, monitor)
    except (HectaresError, TypeError) as error:
        proof.unproven.append(f"no window could be predicted again: {error}")


def _find_scene(opened: ClassMap, config: VerifyConfig, proof: Proof, monitor: Monitor) -> str | None:
    recorded = opened.provenance["inputs"]["scene"]
    name = str(opened.provenance.get("scene"))
    if config.scene is not None:
        files = scene_files(config.scene)
        missing = [f for f in files if not f.is_file()]
        if missing:
            raise InputError(f"--scene {missing[0]}: there is no such file")
        note = "the scene is the one that was mapped"
        monitor.progress("hashing scene", 0, 1)
        found = proof.compare(files[0], "SHA-256 of the scene", recorded, hash_scene(files), note=note)
        return config.scene if found else None
    for candidate in _near(opened.path, name):
        if hash_scene([candidate]) == recorded:
            proof.agrees.append(f"the scene is the one that was mapped: {candidate}")
            return str(candidate)
    proof.unproven.append(f"the scene {name} was not found near the map, or is another file; give it with --scene")
    return None


def _find_run(opened: ClassMap, recorded: str, config: VerifyConfig | None, proof: Proof) -> str | None:
    if config is not None and config.run is not None:
        note = "the segmenter is the one that made the map"
        same = proof.compare(
            config.run, "SHA-256 of the segmenter", recorded, find_segmenter(config.run).sha256, note=note
        )
        return str(config.run) if same else None
    near = [p.parent for p in _near(opened.path, SPEC_FILE)]
    near += [p.parent.parent for p in _near(opened.path, f"segmenter/{SPEC_FILE}")]
    for candidate in [*map(str, near), *(BUILTIN + name for name in builtin_names())]:
        try:
            if find_segmenter(candidate).sha256 == recorded:
                proof.agrees.append(f"the segmenter is the one that made the map: {candidate}")
                return candidate
        except (HectaresError, ValueError):
            continue
    proof.unproven.append("the segmenter was not found near the map; give its run with --run")
    return None


def _near(path: Path, name: str) -> Iterator[Path]:
    """Yield files of a name beside another, in the folder above, and in the folders of these two."""
    home = path.resolve().parent
    for folder in (home, home.parent):
        yield from (p for p in (folder / name, *sorted(folder.glob(f"*/{name}"))) if p.is_file())


@contextmanager
def _prepared(
    opened: ClassMap, scene: str, runs: list[str], proof: Proof, monitor: Monitor
) -> Iterator[tuple[Setup, list[str]] | None]:
    """Make the prediction of a map ready again; None if its plan cannot be had any more."""
    made = opened.provenance
    settings = dict(made["config"])
    if settings.get("aoi") is not None:
        file = next(_near(opened.path, split_layer_name(settings["aoi"])[0].name), None)
        if file is None or sha256_file(file) != made["inputs"]["aoi"]:
            proof.unproven.append(
                f"no window was predicted again: {settings['aoi']}, the area of interest, is not here"
            )
            yield None
            return
        settings["aoi"] = str(file.with_name(settings["aoi"]))
    known = {f.name for f in fields(PredictConfig)}
    settings = {k: v for k, v in settings.items() if k in known} | {"with_": tuple(runs[1:])}
    config = PredictConfig(**settings)
    members = find_members(runs[0], config)
    device = str(made.get("device", "auto"))
    files = scene_files(scene)
    with open_for(members[0].spec, files, InputRule(config.bidx, config.gsd_tolerance), monitor) as source:
        runtimes = [
            open_runtime(m, name=made.get("runtime", "auto"), device=device, precision=made.get("precision", "auto"))
            for m in members
        ]
        kept = made.get("scores", "none") != "none"
        setup = set_up(members, runtimes, files, source, config, with_scores=kept, monitor=monitor)
        now = plain(setup.provenance)
        others = [k for k in ("tile_px", "overlap_px", "bands") if now.get(k) != made.get(k)]
        if others:
            proof.unproven.append(f"no window was predicted again: {difference(dict(made), now)}")
            yield None
            return
        facts = [k for k in runtimes[0].facts if now.get(k) != made.get(k)]
        yield setup, [f"{k} {made.get(k)}, now {now.get(k)}" for k in facts]


def _predict_again(
    opened: ClassMap,
    setup: Setup,
    other: list[str],
    config: VerifyConfig,
    proof: Proof,
    monitor: Monitor,
) -> None:
    """Predict cores of random tiles with the recorded plan, and compare their pixels."""
    plan, blended = setup.plan, setup.work.decision.blended
    rng = np.random.default_rng(config.seed)
    drawn = sorted(rng.choice(len(plan.tiling), min(config.windows, len(plan.tiling)), replace=False).tolist())
    gaps = Gaps.told_by(opened.provenance)  # of what was left out, the batch may end this process too
    batches = {n: plan.over(plan.tiling[n].core, reads=blended) for n in drawn}
    chosen = [n for n in drawn if not any(gaps.left_out(t.core) for b in batches[n] for t in plan[b])]
    if not chosen:
        proof.unproven.append("no window was predicted again: those that were drawn lie in gaps of the map")
        return
    same = total = 0
    with tempfile.TemporaryDirectory(prefix="hectares-verify-") as folder:
        journal = Journal(Path(folder) / "windows.tif", setup.provenance, overwrite=True)
        done = Assembly(plan, opened.grid, journal, setup.work.decision, setup.work.classes)
        for number in track(chosen, monitor, "predicting windows again"):
            window = plan.tiling[number].core
            for batch in batches[number]:
                if not done.has(batch):
                    done.keep(batch, setup.work.run(plan[batch]))
                monitor.raise_if_stopped()
            for _, found in done.indices([window]):
                same += int((setup.legend.decode(found) == opened.legend.decode(opened.read(window))).sum())
                total += window.pixels
    share = same / total
    where = f"{len(chosen)} of {len(plan.tiling)} windows ({total:,} px) were predicted again"
    how = f" with {', '.join(other)}" if other else ""
    if share < config.least_agreement:
        proof.differs(
            opened.path, f"{where}{how}; share of equal pixels", f">= {config.least_agreement}", f"{share:.6f}"
        )
    else:
        proof.agrees.append(f"{where}{how}: {'all' if same == total else f'{share:.4%} of the'} pixels are the same")


# --- Tables and scores ------------------------------------------------------------------------------------


def _verify_json(path: Path, config: VerifyConfig, proof: Proof, monitor: Monitor, *, table: Path | None = None) -> str:
    if not prove_json(path, proof):
        return "artefact"
    content = read_json(path)
    kind = content.get("hectares") if isinstance(content, dict) else None
    if kind is None:
        raise InputError(f"{path}: is no artefact of hectares, so that it holds nothing to verify it by")
    if kind == "polygons" and table is not None:
        raise InputError(f"{table}: {path.name} beside it is that of polygons, which tells nothing of this table")
    if kind == "chips":
        prove_chips(path.parent, proof, monitor)
    elif kind == "areas":
        _verify_areas(path, content, config, proof, monitor)
    else:
        if kind == "evaluation":
            _verify_scores(path, content, proof)
        else:
            prove_rows(path, content, proof, asked=table)
        _verify_inputs(path, content, config, proof)
    return str(kind)


def _verify_areas(path: Path, content: Mapping[str, Any], config: VerifyConfig, proof: Proof, monitor: Monitor) -> None:
    """Measure the map again, and compare the tables."""
    maps = _find_maps(path, content, config, proof)
    if maps is None:
        return
    settings = dict(content["config"])
    if settings.get("zones") is not None:
        settings["zones"] = config.zones or _zones_near(path, settings["zones"])
        if settings["zones"] is None:
            proof.unproven.append(
                f"not measured again: the zones {content['config']['zones']} are not here; give --zones"
            )
            return
    with tempfile.TemporaryDirectory(prefix="hectares-verify-") as folder:
        again = Path(folder) / "areas.csv"
        measure_maps(maps, again, MeasureConfig(**settings), monitor=monitor)
        made = read_json(again.with_suffix(".json"))
        for key in ("total", "zones", "coverage", "method"):
            proof.compare(path, f"{key}, measured again", content.get(key), made[key])
        compare_table(path.with_suffix(".csv"), again, proof)


def _zones_near(path: Path, name: str) -> str | None:
    file = next(_near(path, split_layer_name(name)[0].name), None)
    return None if file is None else str(file.with_name(name))


def _verify_scores(path: Path, content: Mapping[str, Any], proof: Proof) -> None:
    """Compute all scores again from the counts."""
    legend = Legend.from_json(content["legend"])
    counts = np.array(content["confusion"], np.int64)
    kind: Callable[..., Confusion | PlaneConfusion] = PlaneConfusion if counts.ndim == 3 else Confusion
    evaluation = Evaluation(kind(counts, content["unmapped_px"]), legend)
    again = plain(evaluation.to_json())
    before = len(proof.mismatches)
    for key in ("overall", "classes", "scored_px"):
        proof.compare(path, f"{key}, computed again", content[key], again[key])
    parts, settings, how = Parts.from_json(content["parts"]), content["config"], content["intervals"]
    views = views_of(
        Legend.from_json(content["parts_legend"]), without=settings["without"], erode_px=settings["erode_px"],
        overlapping=parts.overlapping,
    )  # fmt: skip
    rows = score_rows(
        parts, Legend.from_json(content["parts_legend"]), views,
        Resampling(how["draws"], how["level"], how["method"], how["seed"]),
    )  # fmt: skip
    proof.compare(path, "scores and intervals, computed again", content["scores"], plain(nest(rows)))
    with tempfile.TemporaryDirectory(prefix="hectares-verify-") as folder:
        again_csv = Path(folder) / "again.csv"
        save_csv(again_csv, SCORE_COLUMNS, list(evaluation.class_rows()))
        compare_table(path.with_suffix(".csv"), again_csv, proof)
        save_csv(again_csv, SCORE_ROW, (row.cells for row in rows))
        compare_table(path.with_suffix(".scores.csv"), again_csv, proof)
    if len(proof.mismatches) == before:
        proof.agrees.append("all scores and intervals follow from the counts")


def _verify_inputs(path: Path, content: Mapping[str, Any], config: VerifyConfig, proof: Proof) -> None:
    """Compare the map that an artefact names with its hash; other inputs have no name in it."""
    inputs = content.get("inputs", {})
    if "map" in inputs:
        _find_maps(path, content, config, proof)
    rest = sorted({k for k in inputs if not k.startswith("map")})
    if rest:
        proof.unproven.append(f"recorded by hash only, not looked for: {', '.join(rest[:5])}")


def _verify_sample(path: Path, config: VerifyConfig, proof: Proof) -> str:
    from hectares.io.survey.sample import read_sample

    try:
        sample = read_sample(path)
    except HectaresError as error:
        raise InputError(
            f"{path}: is no sample of hectares, so that it holds nothing to verify it by ({error})"
        ) from error
    _find_maps(path, sample.design, config, proof)
    proof.unproven.append("a sample is filled in by people, so that it holds no hash of itself")
    return "sample"


def _find_maps(path: Path, content: Mapping[str, Any], config: VerifyConfig, proof: Proof) -> list[Path] | None:
    """Find the maps that an artefact was made from by their names and hashes; None unless all are there."""
    recorded = [content["inputs"][k] for k in sorted((k for k in content["inputs"] if k.startswith("map")), key=_order)]
    names = str(content.get("map", content.get("subject", ""))).split(", ")
    if config.map:
        if len(config.map) != len(recorded):
            raise ConfigError(f"--map names {len(config.map)} file(s), {path.name} was made from {len(recorded)}")
        found = list(config.map)
    else:
        near = [_find_hash(path, name, sha256) for name, sha256 in zip(names, recorded, strict=False)]
        found = [p for p in near if p is not None]
    if len(found) < len(recorded):
        proof.unproven.append(f"what it was made from is not near ({', '.join(names)}); give it with --map")
        return None
    same = [
        proof.compare(file, f"SHA-256 of the map that {path.name} was made from", sha256, sha256_file(file))
        for file, sha256 in zip(found, recorded, strict=True)
    ]
    if not all(same):
        return None
    proof.agrees.append(f"it was made from this map: {', '.join(map(str, found))}")
    return found


def _find_hash(path: Path, name: str, sha256: str) -> Path | None:
    """Give the file near another that has a name and a hash; without one of this hash, the first of this name."""
    there = list(_near(path, name)) if name and "*" not in name else []
    return next((p for p in there if sha256_file(p) == sha256), there[0] if there else None)


def _order(key: str) -> tuple[int, str]:
    """Sort `map`, `map 2`, ... `map 10` by their number."""
    return len(key), key
