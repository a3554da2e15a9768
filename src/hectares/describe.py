"""What is this file? Facts about any scene or artefact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hectares.core.legend import MAP_NODATA, hex_color
from hectares.errors import InputError, RasterError, VectorError
from hectares.io.artefact import read_json
from hectares.io.builtin import locate
from hectares.io.chips.store import open_chips
from hectares.io.file_kind import impostor, local_file, sniff
from hectares.io.outputs import work_path
from hectares.io.rasters.class_map import LEGEND_TAG, PROVENANCE_TAG, ClassMap, codes_in_the_middle, open_class_map
from hectares.io.rasters.map_files import side_cars
from hectares.io.rasters.raster import RasterFacts, open_raster
from hectares.io.segmenter import SPEC_FILE, find_segmenter
from hectares.io.shapes.vector_file import read_records
from hectares.io.shapes.vectors import read_layer
from hectares.io.survey.sample import read_sample
from hectares.io.table import read_table

_VECTORS = {".gpkg", ".geojson", ".shp", ".fgb"}
_RECORDS = ("comparison.json", "page.json")
"""What says of a folder what it is."""
_AREA_FACTS = ("class_name", "pixels", "area_ha", "share")


def describe_file(path: str | Path) -> dict[str, Any]:
    """Give facts about a raster, a vector file, a table, or anything that a command has written."""
    path = locate(path)
    if path.is_dir():
        return _describe_folder(path)
    suffix = path.suffix.lower()
    if suffix in _VECTORS:
        if suffix == ".gpkg" and _is_sample(path):
            return _describe_sample(path)
        layer = read_layer(path)
        return {
            "what": "vector layer",
            "crs": layer.crs,
            "features": len(layer.geometries),
            "fields": list(layer.attributes),
        }
    if suffix == ".json":
        return _describe_json(path)
    if suffix == ".csv":
        return _describe_table(path)
    _refuse_strange(path)
    return _describe_raster(path)


def _refuse_strange(path: Path) -> None:
    """Say of a file that is nothing we know what would be known; of an image that is damaged, what it is instead."""
    file = local_file(path, expected="a file")
    try:
        sniff(file)
    except RasterError as error:
        if "is not an image" not in str(error):
            raise
        with file.open("rb") as opened:
            what = impostor(opened.read(512), "file that `info` knows").replace("an file", "a file")
        raise InputError(
            f"{path}: {what}; it knows images (GeoTIFF, JPEG 2000, PNG, JPEG), vector files "
            f"({', '.join(sorted(_VECTORS))}), tables (.csv), and what hectares wrote"
        ) from None


def _is_sample(path: Path) -> bool:
    try:
        rows = read_records(path, "design")
    except VectorError:
        return False
    return any(row.get("key") == "seed" for row in rows)


def _describe_sample(path: Path) -> dict[str, Any]:
    sample = read_sample(path)
    strata = [
        ({"zone": s.zone} if s.zone else {}) | {"class_name": s.name, "area_ha": s.area_m2 / 1e4, "points": s.drawn}
        for s in sample.strata
    ]
    return {
        "what": "sample",
        "map": sample.design.get("map"),
        "crs": sample.grid.crs,
        "points": len(sample.points),
        "labelled": len(sample.labelled),
        "seed": sample.design["seed"],
        "strata": strata,
    }


def _describe_table(path: Path) -> dict[str, Any]:
    """Give the size of a table, and what it is if it lies beside the record that was written with it."""
    table = read_table(local_file(path, expected="a table"))
    found: dict[str, Any] = {"what": "table", "rows": len(table.rows), "columns": list(table.header)}
    record = path.with_name(f"{path.stem.removesuffix('.scores')}.json")
    if record.is_file():
        content = read_json(record)
        if isinstance(content, dict) and "hectares" in content:
            found |= {"what": f"table of the kind {content['hectares']}", "record": str(record)}
    return found


def _describe_folder(path: Path) -> dict[str, Any]:
    if (path / "chips.json").is_file():
        store = open_chips(path)
        return {
            "what": "chips",
            "chips": store.counts,
            "chip_px": store.chip_px,
            "gsd_m": store.gsd_m,
            "bands": list(store.stats.names),
            "classes": {c.code: c.name for c in store.legend.classes},
            "class_pixels": store.class_pixels,
            "fingerprint": store.fingerprint,
        }
    if (path / "catalog.json").is_file():
        content = read_json(path / "catalog.json")
        return {"what": "project", "scenes": len(content.get("scenes", ()))}
    for name in _RECORDS:
        if (path / name).is_file():
            return _describe_json(path / name)
    _refuse_plain_folder(path)
    stored = find_segmenter(path)
    spec = stored.spec
    return {
        "what": "segmenter",
        "network": spec.network,
        "options": dict(spec.options),
        "bands": list(spec.bands),
        "classes": {c.code: c.name for c in spec.legend.classes},
        "gsd_m": spec.gsd_m,
        "tile_px": spec.tile_px,
        "epochs": stored.content.get("epochs"),
        "best": stored.content.get("best"),
        "trained_on_scenes": len(spec.footprint),
        "context_px": spec.context_px,
        "onnx_agreement": None if stored.onnx is None else stored.onnx.agreement,
        "calibration": None if stored.calibration is None else _calibration(stored.calibration),
        "sha256": stored.sha256,
        "version": stored.content.get("version"),
    }


def _refuse_plain_folder(path: Path) -> None:
    """Refuse a folder that no command has written, nor begun to write, and name something in it to look at."""
    marks = (path / SPEC_FILE, path / "segmenter", work_path(path.resolve()))
    if any(mark.exists() for mark in marks):
        return
    known = [".tif", ".tiff", ".jp2", ".jpg", ".jpeg", ".png", *sorted(_VECTORS), ".csv", ".json"]
    found = [p for p in path.iterdir() if p.suffix.lower() in known and not p.name.startswith(".")]
    files = sorted(found, key=lambda p: (known.index(p.suffix.lower()), p.name))
    way_out = f"look at one of its files, such as {files[0]}" if files else "give a file, or another folder"
    raise InputError(
        f"{path}: is a folder, and neither chips, a run, a segmenter, a comparison, a project nor a page; {way_out}"
    )


def _calibration(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give what was measured when training ended; of areas only how far off all shares were together."""
    shown = {k: v for k, v in record.items() if k != "area"}
    area = record.get("area")
    if area is None:
        return shown
    crossed = {f"fitted on others, {name}": found["misplaced"] for name, found in area["crossed"].items()}
    return shown | {"shares_off_by": {"fitted here": area["misplaced"]} | crossed}


def _describe_json(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict) or "hectares" not in content:
        raise InputError(f"{path}: is not an artefact of hectares; `info` knows scenes, vectors and our artefacts")
    shown = {k: v for k, v in content.items() if k not in {"hectares", "confusion", "legend", "zones", "classes"}}
    if content["hectares"] == "areas" and isinstance(shown.get("total"), list):
        shown["total"] = [{k: row.get(k) for k in _AREA_FACTS} for row in shown["total"]]
    return {"what": content["hectares"], **shown}


def _describe_raster(path: Path) -> dict[str, Any]:
    with open_raster(path) as raster:
        facts = raster.facts
    if LEGEND_TAG in facts.tags:
        with open_class_map(path) as opened:
            common = _raster_facts(opened.raster.facts)
            found = {"what": "class map", **common, **_classes(opened), "provenance": dict(opened.provenance)}
            return found | {"beside": [p.name for p in side_cars(opened.path).values() if p.is_file()]}
    common = _raster_facts(facts)
    tags = {k: v for k, v in facts.tags.items() if k not in {LEGEND_TAG, PROVENANCE_TAG}}
    with open_raster(path, expand_palette=False) as raster:
        codes = codes_in_the_middle(raster)
    if not codes:
        return {"what": "scene", **common, "tags": tags}
    shown = ", ".join(map(str, codes[:10])) + (", ..." if len(codes) > 10 else "")
    looks = {
        "what": "scene, or class map that hectares did not write",
        "looks_like": f"a class map without names: one band of {len(codes)} whole numbers ({shown})",
        "next": "measure, sample, evaluate, vectorize, view and report take it, with classes named `class CODE`",
    }
    return {**looks, **common, "tags": tags}


def _classes(opened: ClassMap) -> dict[str, Any]:
    """Give classes with their colors, and what was counted when the map was written."""
    classes = opened.legend.classes
    found: dict[str, Any] = {"classes": {c.code: c.name for c in classes}}
    found["colors"] = {c.code: hex_color(c.color) for c in classes}
    seal = opened.seal
    if seal is None:
        return found
    found["pixels"] = {c.code: seal.pixels.get(c.code, 0) for c in classes}
    found["nodata_pixels"] = seal.pixels.get(MAP_NODATA, 0)
    return found if seal.seams is None else found | {"seams": dict(seal.seams)}


def _raster_facts(facts: RasterFacts) -> dict[str, Any]:
    grid = facts.grid
    return {
        "driver": facts.driver,
        "height_px": grid.shape[0],
        "width_px": grid.shape[1],
        "bands": dict(enumerate(facts.bands, start=1)),
        "dtype": facts.dtype,
        "crs": grid.crs,
        "bounds": list(grid.bounds) if grid.is_georeferenced else None,
        "gsd_m": list(grid.gsd) if grid.is_georeferenced else None,
        "nodata": facts.nodata,
        "alpha": facts.has_alpha,
        "mask": facts.has_mask,
        "palette": facts.has_palette,
        "block_px": list(facts.block_shape),
        "overviews": facts.overviews,
    }
