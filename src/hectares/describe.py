"""What is this file? Facts about any scene or artefact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hectares.core.legend import MAP_NODATA, hex_color
from hectares.errors import InputError
from hectares.io.artefact import read_json
from hectares.io.builtin import locate
from hectares.io.chips.store import open_chips
from hectares.io.rasters.class_map import LEGEND_TAG, PROVENANCE_TAG, ClassMap, open_class_map
from hectares.io.rasters.map_files import side_cars
from hectares.io.rasters.raster import RasterFacts, open_raster
from hectares.io.segmenter import find_segmenter
from hectares.io.shapes.vectors import read_layer

_VECTORS = {".gpkg", ".geojson", ".shp", ".fgb"}


def describe_file(path: str | Path) -> dict[str, Any]:
    """Give facts about a scene, a class map, chips, a run, a segmenter, an evaluation, areas or a vector file."""
    path = locate(path)
    if path.is_dir():
        return _describe_folder(path)
    suffix = path.suffix.lower()
    if suffix in _VECTORS:
        layer = read_layer(path)
        return {
            "what": "vector layer",
            "crs": layer.crs,
            "features": len(layer.geometries),
            "fields": list(layer.attributes),
        }
    if suffix == ".json":
        return _describe_json(path)
    return _describe_raster(path)


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
    return {"what": "scene", **common, "tags": tags}


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
