"""What can be proven about a file: digests that it holds of itself and of others, against what is there."""

from __future__ import annotations

import contextlib
import csv
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hectares import __version__
from hectares.core.legend import MAP_NODATA, hex_color
from hectares.errors import ArtefactError, HectaresError, InputError
from hectares.io.artefact import dump_json, is_as_saved, read_json, save_csv, sha256_file
from hectares.io.catalog import read_catalog
from hectares.io.chips.store import ChipStore, open_chips
from hectares.io.rasters.class_map import LEGEND_TAG, ClassMap, colormap, open_class_map
from hectares.io.rasters.cog import digest_file
from hectares.io.rasters.map_files import Seal, is_picture, read_look, side_car_texts, side_cars, tags_fingerprint
from hectares.io.rasters.palette_png import damage_of
from hectares.io.rasters.style import shown_classes
from hectares.io.scene_contract import hash_scene
from hectares.io.segmenter import SPEC_FILE, StoredSegmenter, find_segmenter
from hectares.io.stac import SUFFIX as STAC
from hectares.io.stac import recorded_hashes
from hectares.monitor import Monitor, track


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that is not as it was recorded."""

    file: str
    what: str
    recorded: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}: recorded {self.recorded}, found {self.found}"


@dataclass
class Proof:
    """What was compared: what agrees, what does not, and what could not be compared."""

    mismatches: list[Mismatch] = field(default_factory=list)
    agrees: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)

    def compare(self, file: Path, what: str, recorded: object, found: object, *, note: str | None = None) -> bool:
        """Compare two values, and note the outcome; `note` says what it means if they agree."""
        if recorded != found:
            self.differs(file, what, recorded, found)
        elif note is not None:
            self.agrees.append(note)
        return recorded == found

    def differs(self, file: Path, what: str, recorded: object, found: object) -> None:
        """Note something that is not as recorded."""
        self.mismatches.append(Mismatch(str(file), what, _short(recorded), _short(found)))


def _short(value: object) -> str:
    text = str(value)
    digest = len(text) in {64, 68} and all(c in "0123456789abcdef" for c in text)
    return f"{text[:16]}..." if digest else text[:200]


# --- A class map ------------------------------------------------------------------------------------------


def prove_map(path: Path, proof: Proof, monitor: Monitor) -> ClassMap | None:
    """Compare a class map with its seal, and all its files with each other; gives it opened if it can be."""
    files = side_cars(path)
    item = _read_item(files[STAC], proof) if STAC in files else None
    whole = _compare_checksums(path, proof) if is_picture(path) else None
    if item is not None:
        whole = _compare_whole(path, item, proof)
    try:
        opened = open_class_map(path)
        seal = opened.seal
    except (HectaresError, ValueError, OSError) as error:
        if whole is None:
            raise
        proof.differs(path, "the map cannot be read", "a map", error)
        return None
    if seal is None and whole is not False:
        raise ArtefactError(_not_ours(opened))
    if seal is None:
        proof.differs(path, "the seal", "one, as there is an item", "none")
        return opened
    monitor.progress("reading map", 0, 1)
    codes = _codes_of(path)
    proof.compare(path, "digest of the codes", seal.codes, codes, note="the codes are those that were written")
    proof.compare(
        path, "fingerprint of legend, provenance and place", seal.tags,
        tags_fingerprint(opened.grid, opened.legend, opened.provenance),
        note="legend, provenance and place are those that were written",
    )  # fmt: skip
    _compare_look(path, opened, proof)
    if whole is None:
        missing = "bytes that are neither code, tag nor color are not covered: overviews, padding"
        proof.unproven.append(f"no {files[STAC].name} beside the map, so that {missing}")
    _compare_side_cars(path, opened, seal, item, proof, whole=whole is True)
    monitor.progress("reading map", 1, 1)
    return opened


def _compare_look(path: Path, opened: ClassMap, proof: Proof) -> None:
    """Compare color table and nodata with the legend."""
    table, nodata = read_look(path)
    shown = {code: color if color[3] else (0, 0, 0, 0) for code, color in table.items()}
    expected = dict.fromkeys(range(MAP_NODATA + 1), (0, 0, 0, 255)) | colormap(opened.legend)
    others = [code for code, color in expected.items() if shown.get(code) != color]
    proof.compare(path, "codes whose color is not that of the legend", [], others)
    proof.compare(path, "nodata", MAP_NODATA, nodata)


def _not_ours(opened: ClassMap) -> str:
    if LEGEND_TAG in opened.raster.facts.tags:
        return f"{opened.path}: has no seal (labels and old maps have none); make a map again to verify it"
    return f"{opened.path}: is no class map of hectares, so that it holds nothing to verify it by"


def _codes_of(path: Path) -> str:
    try:
        return digest_file(path)
    except (HectaresError, ValueError, OSError) as error:
        return f"pixels that cannot be read ({error})"


def _read_item(path: Path, proof: Proof) -> dict[str, Any] | None:
    """Read the STAC item; {} if it is damaged, None if there is none."""
    if not path.is_file():
        return None
    try:
        content = read_json(path)
        recorded_hashes(content)
    except (InputError, KeyError, TypeError, AttributeError) as error:
        proof.differs(path, "the item cannot be read", "a STAC item", error)
        return {}
    return dict(content)


def _compare_checksums(path: Path, proof: Proof) -> bool | None:
    """Compare the chunks of a map as PNG with their checksums."""
    if not path.is_file():
        return None
    damage = damage_of(path)
    note = "every byte of the map fits the checksums in it"
    return proof.compare(path, "damage, by the checksums in the file", None, damage, note=note)


def _compare_whole(path: Path, item: Mapping[str, Any], proof: Proof) -> bool:
    recorded = recorded_hashes(item).get(path.name) if item else None
    if recorded is None:
        if item:
            proof.differs(side_cars(path)[STAC], "hash of the map", f"none of {path.name}", sha256_file(path))
        return False
    note = "every byte of the map is the one that was written"
    return proof.compare(path, "SHA-256 of the file", recorded, sha256_file(path), note=note)


def _compare_side_cars(
    path: Path, opened: ClassMap, seal: Seal, item: Mapping[str, Any] | None, proof: Proof, *, whole: bool
) -> None:
    """Make the side-cars again, and compare them with those that are there."""
    before = len(proof.mismatches)
    texts = side_car_texts(path, path, opened.grid, opened.legend, opened.provenance, seal.pixels)
    files = side_cars(path)
    lenient = opened.provenance.get("version") != __version__
    there = [suffix for suffix in texts if files[suffix].is_file()]
    for suffix in there:
        if files[suffix].read_bytes() == texts[suffix].encode() or (suffix == STAC and not item):
            continue
        if lenient:
            proof.unproven.append(f"{files[suffix].name} differs from what this version writes; the map is of another")
        elif suffix == STAC:
            _compare_item(files[suffix], dict(item or {}), json.loads(texts[suffix]), proof, whole=whole)
        else:
            _compare_style(files[suffix], texts[suffix].encode(), opened, proof)
    absent = [files[suffix].name for suffix in texts if suffix not in there and suffix != STAC]
    if absent:
        proof.unproven.append(f"not there: {', '.join(absent)}")
    if there and len(proof.mismatches) == before:
        proof.agrees.append(f"what lies beside the map fits it: {', '.join(files[s].name for s in there)}")


def _compare_style(path: Path, expected: bytes, opened: ClassMap, proof: Proof) -> None:
    """Compare a style byte by byte, but one that a GIS saved into, which is never as long, by what it says."""
    saved_again = path.suffix in {".qml", ".xml"} and path.stat().st_size != len(expected)
    if saved_again and shown_classes(path) == {c.code: (c.name, hex_color(c.color)) for c in opened.legend.classes}:
        proof.unproven.append(f"{path.name} was saved again by another program; its classes and colors are the map's")
    else:
        proof.differs(path, "content", "what follows from the map", "something else")


def _compare_item(path: Path, item: dict[str, Any], made: dict[str, Any], proof: Proof, *, whole: bool) -> None:
    """Compare an item with the one that follows from the map; with what it says of a changed map left out."""
    if not whole:
        with contextlib.suppress(KeyError, TypeError):
            made["assets"]["map"] |= {k: item["assets"]["map"][k] for k in ("file:checksum", "file:size")}
    if path.read_bytes() != (dump_json(made, indent=1) + "\n").encode():
        proof.differs(path, *_first_difference(item, made))


def _first_difference(item: object, made: object, place: str = "") -> tuple[str, object, object]:
    """Give where two JSON values differ first, and both values there."""
    if isinstance(item, dict) and isinstance(made, dict):
        for key in sorted({*item, *made}):
            if item.get(key) != made.get(key):
                return _first_difference(item.get(key), made.get(key), f"{place}.{key}".strip("."))
    if item == made:
        return "spaces and line ends", "others", "those that are written"
    return place or "content", item, made


# --- Other artefacts --------------------------------------------------------------------------------------


def prove_json(path: Path, proof: Proof) -> bool:
    """Compare a JSON artefact with the fingerprint it holds of itself."""
    try:
        as_saved = is_as_saved(path)
    except InputError as error:
        proof.differs(path, "the file cannot be read", "JSON", error)
        return False
    if as_saved is None:
        proof.unproven.append(
            f"{path.name} holds no fingerprint of itself (older versions wrote none), so that a change in it would not "
            "be seen"
        )
    elif as_saved:
        proof.agrees.append(f"every byte of {path.name} is the one that was written")
    else:
        proof.differs(path, "content", "its own fingerprint", "something else")
    return as_saved is not False


def prove_segmenter(path: Path, proof: Proof) -> StoredSegmenter | None:
    """Compare all files of a run or a segmenter with their hashes."""
    try:
        stored = find_segmenter(path)
    except ArtefactError as error:
        if not any((path / name).is_file() for name in (SPEC_FILE, f"segmenter/{SPEC_FILE}")):
            raise
        proof.differs(path, SPEC_FILE, "its own SHA-256", error)
        return None
    except (InputError, ValueError) as error:
        proof.differs(path, SPEC_FILE, "JSON", error)
        return None
    spec = stored.folder / SPEC_FILE
    text = (dump_json(stored.content, indent=1) + "\n").encode()
    proof.compare(spec, "spaces and line ends", "as written", "as written" if spec.read_bytes() == text else "others")
    try:
        stored.verify()
        proof.agrees.append("spec, weights and exported form are those that were saved")
    except ArtefactError as error:
        proof.differs(stored.folder, "files", f"the SHA-256 in {SPEC_FILE}", error)
    if (path / "run.json").is_file():
        prove_json(path / "run.json", proof)
        proof.unproven.append("history.csv and pictures are not covered by a hash")
    return stored


def prove_chips(path: Path, proof: Proof, monitor: Monitor) -> None:
    """Compare a chip store with its hashes, and its scenes as far as they are at hand."""
    if not prove_json(path / "chips.json", proof):
        return
    try:
        store = open_chips(path)
    except ArtefactError as error:
        proof.differs(path, "a file", "the SHA-256 in chips.json", error)
        return
    before = len(proof.mismatches)
    for name, what in track(store.verify(), monitor, "reading chips"):
        proof.differs(path / name, "content", "the SHA-256 in chips.json", what)
    if len(proof.mismatches) == before:
        proof.agrees.append(f"index, legend, catalog and {sum(store.counts.values())} chips are those that were cut")
    _compare_scenes(path, store, proof, monitor)
    proof.unproven.append("pictures are not covered by a hash")


def _compare_scenes(path: Path, store: ChipStore, proof: Proof, monitor: Monitor) -> None:
    recorded = store.content.get("inputs", {})
    try:
        scenes = {s.id: [f.path for f in s.images] for s in read_catalog(path / "catalog.json").scenes}
    except HectaresError as error:
        proof.unproven.append(f"the scenes could not be looked for: {error}")
        return
    there = [name for name in recorded if all(p.is_file() for p in scenes.get(name, [Path("/")]))]
    before = len(proof.mismatches)
    for name in track(there, monitor, "hashing scenes", len(there)):
        proof.compare(scenes[name][0], "SHA-256 of the scene", recorded[name], hash_scene(scenes[name]))
    if there and len(proof.mismatches) == before:
        proof.agrees.append(f"{len(there)} scene(s) are those the chips were cut from")
    if len(there) < len(recorded):
        proof.unproven.append(f"{len(recorded) - len(there)} of {len(recorded)} scenes are not where they were")


# --- Tables -----------------------------------------------------------------------------------------------


def compare_table(path: Path, again: Path, proof: Proof, *, told: str = "follows from what it was made from") -> None:
    """Compare a table with one that was made again; `told` says what it means if they agree."""
    if not path.is_file():
        proof.unproven.append(f"{path.name} is not there")
    elif path.read_bytes() == again.read_bytes():
        proof.agrees.append(f"{path.name} {told}, to the byte")
    else:
        lines = zip(path.read_text(errors="replace").splitlines(), again.read_text().splitlines(), strict=False)
        first = next(((a, b) for a, b in lines if a != b), ("", "another number of lines, or other line ends"))
        proof.differs(path, "table, made again", *first)


def prove_rows(path: Path, content: Mapping[str, Any], proof: Proof, *, asked: Path | None = None) -> None:
    """Compare the table beside the JSON of an estimate, a change or of objects with the rows in that.

    That a table of another kind, which was asked about, is not compared is told.
    """
    rows, table = _rows_of(content), path.with_suffix(".csv")
    if rows is None:
        if asked is not None:
            proof.unproven.append(f"{asked.name} itself was not looked at: {path.name} has no rows to compare it with")
        return
    if not table.is_file():
        proof.unproven.append(f"{table.name} is not there")
        return
    with table.open(newline="", encoding="utf-8", errors="replace") as file:
        columns = next(csv.reader(file), [])
    with tempfile.TemporaryDirectory(prefix="hectares-verify-") as folder:
        again = Path(folder) / "again.csv"
        save_csv(again, columns, ([row.get(c) for c in columns] for row in rows))
        compare_table(table, again, proof, told=f"says what {path.name} says")


def _rows_of(content: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Give the rows of the table beside a JSON; None if they are not in it as they stand there."""
    kind = content["hectares"]
    if kind == "objects":
        return [*content["classes"], *([content["overall"]] if len(content["classes"]) > 1 else [])]
    if kind not in {"estimate", "change"}:
        return None
    places = [content] if "rows" in content else [content["total"], *content["zones"]]
    return [{"zone": place.get("name"), **row} for place in places for row in place["rows"]]
