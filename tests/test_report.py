"""The report: one page, complete, escaped, the same every time, and honest about what it shows."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from tests.conftest import Notes, save_raster

from hectares.config.report import ReportConfig
from hectares.core.area import AreaTable, map_area
from hectares.core.bands import BandStats
from hectares.core.confusion import Confusion
from hectares.core.grid import Grid
from hectares.core.legend import LandClass, Legend
from hectares.core.spec import SegmenterSpec
from hectares.errors import ArtefactError, ConfigError, InputError
from hectares.io.artefact import save_csv, sha256_file, stamp, write_json
from hectares.io.rasters.class_map import save_class_map
from hectares.io.segmenter import find_segmenter, save_segmenter
from hectares.report import write_report

LEGEND = Legend(
    (LandClass(20, "water", (10, 20, 200)), LandClass(10, "<script>alert(1)</script>", (0, 120, 10))), nodata=255
)
GRID = Grid("EPSG:32633", Affine(1000, 0, 500_000, 0, -1000, 5_000_000), (6, 9))
INDICES = np.zeros((6, 9), np.uint8)
INDICES[:, 5:] = 1
INDICES[0, :4] = 255


class Reader(HTMLParser):
    """Collects the tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def records(table: AreaTable, factor: float = 1.0) -> list[dict[str, Any]]:
    rows = ((r, r.mapped_m2 * (factor if r.class_id == 20 else 1.0)) for r in table.rows)
    return [
        {"class_id": r.class_id, "class_name": r.name, "pixels": r.pixels, "area_m2": m2, "area_ha": m2 / 1e4}
        | {"area_km2": m2 / 1e6, "share": table.share(r)}
        for r, m2 in rows
    ]


class Chain:
    """A folder with one artefact of each kind that belong together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scene, self.map, self.run = folder / "scene.tif", folder / "map.tif", folder / "run"
        self.areas, self.truth, self.scores = folder / "areas.json", folder / "truth.json", folder / "evaluation.json"
        image = np.random.default_rng(0).integers(1, 3000, (3, 6, 9)).astype(np.uint16)
        save_raster(self.scene, image, transform=GRID.transform, names=("B02", "B03", "B04"))
        self._save_run()
        inputs = {"scene": sha256_file(self.scene), "segmenter": find_segmenter(self.run).sha256}
        made = stamp("class-map", config={"tile_px": 64}, inputs=inputs)
        made |= {"scene": "scene.tif", "tile_px": [64, 96], "overlap_px": 32, "trained_on": [[0, 0, 3, 9]]}
        work = folder / "work"
        work.mkdir()
        save_class_map(self.map, work, [LEGEND.decode(INDICES)], GRID, LEGEND, made, overwrite=True)
        self.save_areas(self.areas)
        self.save_areas(self.truth, kind="reference", factor=0.8)
        self.save_scores()

    def _save_run(self) -> None:
        spec = SegmenterSpec(
            network="unet-elu",
            options={"width": 8},
            stats=BandStats(("B02", "B03", "B04"), (1.0,) * 3, (1.0,) * 3),
            legend=LEGEND,
            gsd_m=1000.0,
            tile_px=64,
            footprint=({"scene": "a", "sha256": "0", "windows": [[0, 0, 64, 64], [0, 64, 64, 64]]},),
        )
        inside = self.run / "segmenter"
        inside.mkdir(parents=True)
        best = {"epoch": 2, "val_loss": 0.5, "val_miou": 0.75}
        config = {"batch": 4, "loss": "ce+dice", "optimizer": "adamw", "weights": "none"}
        head = stamp("segmenter", config=config, inputs={"chips": "c"}) | {"best": best, "epochs": 2}
        save_segmenter(inside, spec, {"w": np.zeros(2, np.float32)}, head)
        columns = ("epoch", "train_loss", "val_loss", "val_miou")
        save_csv(inside / "history.csv", columns, [(1, 1.0, 0.9, 0.5), (2, 0.6, 0.5, 0.75)])

    def save_areas(self, path: Path, *, kind: str = "mapped", factor: float = 1.0, of: str | None = None) -> None:
        table = map_area(INDICES, GRID, LEGEND)
        north = map_area(INDICES[:3], Grid(GRID.crs, GRID.transform, (3, 9)), LEGEND)
        inputs = {"map": of or sha256_file(self.map)}
        content = stamp("areas", config={"zones": "z.gpkg"}, inputs=inputs) | {
            "map": "map.tif" if kind == "mapped" else "truth.tif",
            "kind": kind,
            "method": "ellipsoid",
            "crs": GRID.crs,
            "coverage": table.observed_m2 / table.total_m2,
            "legend": LEGEND.to_json(),
            "total": records(table, factor),
            "zones": {"North & co": records(north, factor)},
        }
        write_json(path, content, overwrite=True)

    def save_scores(self, split: str = "test") -> None:
        c = Confusion(np.array([[60, 20], [0, 20]]))
        keys = ("class_id", "class_name", "iou", "f1", "precision", "recall", "reference_px", "predicted_px")
        columns = (
            LEGEND.codes,
            LEGEND.names,
            c.iou,
            c.f1,
            c.precision,
            c.recall,
            c.reference_pixels,
            c.predicted_pixels,
        )
        overall = {"accuracy": c.accuracy, "mean_iou": c.mean_iou, "mean_f1": c.mean_f1}
        overall |= {"kappa": c.kappa, "weighted_iou": c.weighted_iou}
        inputs = {"segmenter": find_segmenter(self.run).sha256}
        content = stamp("evaluation", config={"split": split}, inputs=inputs) | {
            "subject": "chips",
            "split": split,
            "chips_scored": 3,
            "legend": LEGEND.to_json(),
            "confusion": c.counts,
            "unmapped_px": 7,
            "scored_px": c.total,
            "left_out": [],
            "overall": overall,
            "classes": [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)],
        }
        write_json(self.scores, content, overwrite=True)

    def report(self, *artefacts: Path, notes: Notes | None = None, **config: Any) -> str:
        out = self.folder / "report.html"
        write_report(artefacts, out, ReportConfig(**config), overwrite=True, monitor=notes or Notes())
        return out.read_text(encoding="utf-8")

    def everything(self) -> tuple[Path, ...]:
        return self.map, self.scene, self.areas, self.truth, self.scores, self.run


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(tmp_path_factory.mktemp("chain"))


@pytest.fixture(scope="module")
def page(chain: Chain) -> str:
    return chain.report(*chain.everything())


def row_of(page: str, name: str, table: int = 0) -> list[str]:
    """Text of the cells of a row in a table of the page, by the row's head."""
    body = re.findall(r"<table.*?</table>", page, re.DOTALL)[table]
    rows = re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    row = next(r for r in rows if f"{html.escape(name)}</th>" in r or f"{name}</th>" in r)
    return [html.unescape(re.sub("<[^>]+>", " ", cell)).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]


LEGEND_TABLE, AREA_TABLE, ZONE_TABLE, SCORE_TABLE = 0, 1, 2, 3
EVIL = LEGEND.names[1]


def test_names_from_files_are_escaped(page: str) -> None:
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_page_needs_nothing_from_outside(page: str) -> None:
    reader = Reader(page)
    for _, attributes in reader.tags:
        for key in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(key)
            assert value is None or value.startswith(("data:image/", "#"))
    assert not reader.all("link")
    assert "url(" not in page
    assert "@import" not in page


def test_same_artefacts_give_the_same_bytes(chain: Chain, page: str) -> None:
    assert chain.report(*chain.everything()) == page


def test_areas_are_written_for_people(page: str) -> None:
    water, total = row_of(page, "water", AREA_TABLE), row_of(page, "all classes", AREA_TABLE)
    # 26 pixels of 100 ha, over the square of 0.9996, the scale on the middle meridian of the zone
    assert water[0] == "2,602"
    assert water[1] == "26.02"  # km2
    assert water[2:4] == ["52.0\N{NO-BREAK SPACE}%", "26"]
    assert total[0] == "5,004"
    assert row_of(page, "water", LEGEND_TABLE) == [water[0], water[2]]


def test_nodata_stands_apart_and_has_no_share(page: str) -> None:
    foot = re.search(r"<tfoot>.*?</tfoot>", page, re.DOTALL)
    assert foot is not None
    assert "nodata" in foot.group()
    body = re.search(r"<tbody>.*?</tbody>", page[page.index('id="area-1"') :], re.DOTALL)
    assert body is not None
    assert "nodata" not in body.group()
    assert row_of(page, "nodata", AREA_TABLE)[2] == "–"


def test_reference_stands_beside_with_the_difference(page: str) -> None:
    assert row_of(page, "water", AREA_TABLE)[4:] == ["2,082", "+25.0\N{NO-BREAK SPACE}%"]
    assert row_of(page, EVIL, AREA_TABLE)[5] == "0.0\N{NO-BREAK SPACE}%"


def test_zones_have_a_table_with_the_reference_below(page: str) -> None:
    cells = row_of(page, "North & co", ZONE_TABLE)
    assert len(cells) == 4  # two classes, all of them, nodata
    assert cells[0].startswith("1,101")
    assert "(+25.0\N{NO-BREAK SPACE}%)" in cells[0]


def test_page_says_that_mapped_area_is_no_estimate(page: str) -> None:
    assert "counted from the map, carries the map's errors" in Reader(page).text


def test_scores_are_listed_with_their_split(page: str) -> None:
    assert row_of(page, "water", SCORE_TABLE) == ["0.750", "0.857", "1.000", "0.750", "80", "60"]
    assert "on the “test” split: 3 chips" in page


def test_bias_of_the_scores_is_told_as_a_limit(page: str) -> None:
    text = Reader(page).text
    assert "fewer were predicted than the reference has of water (−25.0\N{NO-BREAK SPACE}%)" in text
    assert f"more were predicted than the reference has of {EVIL} (+100.0\N{NO-BREAK SPACE}%)" in text


def test_scores_of_seen_chips_are_called_too_good(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    chain.save_scores(split="val")
    assert "too good for new places" in Reader(chain.report(chain.scores)).text


def test_without_scores_the_page_says_so(chain: Chain) -> None:
    assert "does not say how good the map is" in Reader(chain.report(chain.map)).text


def test_views_intervals_and_calibration_are_on_the_page(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    content = json.loads(chain.scores.read_text())
    ends = {"accuracy": [0.8, 0.7, 0.9], "mean_iou": [0.6, 0.5, 0.7]}
    classes = {name: {"iou": [0.5, 0.4, 0.6], "f1": [0.6, 0.5, None]} for name in LEGEND.names}
    content["scores"] = {"all classes": {"global": {"overall": ends, "classes": classes}}}
    content["intervals"] = {"units": 24, "what": "scenes", "level": 0.95, "draws": 2000, "method": "bca", "seed": 0}
    content["floor"] = {"class": "water", "overall": {"accuracy": 0.4, "mean_iou": 0.1}}
    table = [[0, None, None]] * 14 + [[9, 0.98, 0.9]]
    scores = {"ece": [0.08, None, None], "class_ece": [0.1, None, None]}
    scores |= {"brier": [0.2, None, None], "nll": [0.3, None, None]}
    content["calibration"] = {"as_stored": {"temperature": 1.5, "scores": scores, "reliability": table}}
    content["overall"] |= {"micro_iou": 0.25, "micro_f1": 0.4, "micro_precision": 0.4, "micro_recall": 0.4}
    content["overall"] |= {"mean_precision": 0.6, "mean_recall": 0.5}
    shares = {"reference": 0.2, "argmax": 0.15, "area": 0.21, "argmax_bias": -0.25, "area_bias": 0.05}
    content["area"] = {"as_stored": {"classes": {"water": shares}}}
    write_json(chain.scores, content, overwrite=True)
    page = chain.report(chain.scores)
    assert row_of(page, "all classes together (micro)")[:4] == ["0.250", "0.400", "0.400", "0.400"]
    assert row_of(page, "water")[0].split() == ["0.750", "(0.400–0.600)"]
    assert row_of(page, "all classes, global", 1)[0].split() == ["0.800", "(0.700–0.900)"]
    assert row_of(page, "floor: water everywhere", 1) == ["0.400", "0.100"]
    biases = [cell.replace("\xa0", " ") for cell in row_of(page, "water", 3)]
    assert biases == ["20.0 %", "15.0 %", "−25.0 %", "21.0 %", "+5.0 %"]
    text = Reader(page).text
    assert "intervals of 95 %, from 24 scenes drawn anew" in text
    assert "ECE 0.080, class-wise ECE 0.100, Brier score 0.200, NLL 0.300; temperature 1.50" in text


def test_swipe_has_a_label_and_works_by_keyboard(page: str) -> None:
    sliders = [a for a in Reader(page).all("input") if a.get("type") == "range"]
    assert len(sliders) == 1
    assert "scene" in str(sliders[0]["aria-label"])
    assert "class map" in str(sliders[0]["aria-label"])


def test_page_is_accessible(page: str) -> None:
    reader = Reader(page)
    assert reader.all("html") == [{"lang": "en"}]
    assert all(a.get("alt") for a in reader.all("img"))
    assert all(a.get("scope") in {"row", "col"} for a in reader.all("th"))
    ids = [a["id"] for _, a in reader.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for _, a in reader.tags if "aria-labelledby" in a} <= set(ids)


def test_story_and_provenance_are_told(chain: Chain, page: str) -> None:
    text = Reader(page).text
    assert "The network is unet-elu (width 8)." in text
    assert "2 chips of 64 × 64 px" in text
    assert "windows of 96 × 64 px" in text
    assert sha256_file(chain.map) in text
    assert "batch 4 · loss ce+dice" in text
    assert "50.0\N{NO-BREAK SPACE}% of this place was seen in training" in text


def test_artefacts_that_belong_together_are_confirmed(page: str) -> None:
    text = Reader(page).text
    for sentence in (
        "The class map map.tif was made from the scene scene.tif.",
        "The class map map.tif was made from the segmenter run.",
        "The areas areas.json were counted from the class map map.tif.",
        "The evaluation evaluation.json scores the segmenter run.",
    ):
        assert sentence in text
    assert 'class="fails"' not in page


def test_areas_of_another_map_are_reported(tmp_path: Path, notes: Notes) -> None:
    chain = Chain(tmp_path)
    chain.save_areas(chain.areas, of="f" * 64)
    page = chain.report(chain.map, chain.areas, notes=notes)
    assert "The areas areas.json were not counted from the class map map.tif." in Reader(page).text
    assert len(notes.problems) == 1


def test_reference_areas_alone_are_called_so_and_stand_in_the_legend_of_their_map(chain: Chain) -> None:
    page = chain.report(chain.map, chain.truth)
    assert '<a href="#area-1">Reference area</a>' in page
    assert "Mapped area" not in page
    assert row_of(page, "water", 0) == row_of(page, "water", 1)[:1] + row_of(page, "water", 1)[2:3]  # ha and share
    assert '<a href="#area-1">Mapped area</a>' in chain.report(chain.map, chain.areas, chain.truth)


def test_table_of_areas_as_csv_is_the_json_beside_it(chain: Chain) -> None:
    assert "Mapped area of map.tif" in chain.report(chain.areas.with_suffix(".csv"))


def test_table_of_scores_with_their_intervals_is_the_json_beside_it(chain: Chain) -> None:
    (chain.folder / "evaluation.scores.csv").write_text("view\n")
    assert "scores-1" in chain.report(chain.folder / "evaluation.scores.csv")


def test_figure_beside_an_evaluation_is_taken(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    drawn = Reader(chain.report(chain.scores)).all("img")
    from hectares.view.sheet import Sheet

    Sheet(1.0, 1.0, dpi=100).save(chain.scores.with_suffix(".png"))
    taken = Reader(chain.report(chain.scores)).all("img")
    assert (taken[0]["width"], len(drawn), len(taken)) == ("100", 1, 1)
    assert drawn[0]["width"] != "100"


def test_scene_off_the_grid_of_the_map_stands_alone(chain: Chain) -> None:
    other = chain.folder / "elsewhere.tif"
    save_raster(other, np.arange(54, dtype=np.uint16).reshape(6, 9) * 100)
    page = chain.report(chain.map, other)
    assert not Reader(page).all("input")
    assert "elsewhere.tif" in page


def test_scene_that_stands_alone_raises_no_doubt_about_the_map(chain: Chain, notes: Notes) -> None:
    other = chain.folder / "other" / "scene.tif"
    other.parent.mkdir()
    save_raster(other, np.arange(54, dtype=np.uint16).reshape(6, 9) * 100)
    page = chain.report(chain.map, other, notes=notes)
    assert not notes.problems
    assert 'class="fails"' not in page


def test_map_of_another_tool_is_a_map_and_not_a_scene(chain: Chain, notes: Notes) -> None:
    path = chain.folder / "foreign.tif"
    codes = np.full((1, 6, 9), 3, np.uint8)
    codes[:, :, 4:], codes[:, 0, 0] = 7, 0
    save_raster(path, codes, transform=GRID.transform, nodata=0)
    page = chain.report(path, notes=notes)
    assert '<a href="#map-1">Map</a>' in page
    assert "scene-1" not in page
    assert all(name in page for name in ("class 3", "class 7"))
    assert [p.severity for p in notes.problems] == ["note"]
    assert "holds only 2 different whole number(s), so it is taken for a class map" in str(notes.problems[0])
    assert "Float32" in notes.problems[0].remedy


@pytest.mark.parametrize(("dtype", "step"), [(np.float32, 0), (np.uint8, 1), (np.uint16, 100)])
def test_one_band_of_measurements_is_a_scene(chain: Chain, notes: Notes, dtype: type, step: int) -> None:
    path = chain.folder / "gray.tif"
    values = (np.arange(108).reshape(1, 9, 12) * step + 3).astype(dtype)
    save_raster(path, values, transform=GRID.transform)
    assert '<a href="#scene-1">Scene</a>' in chain.report(path, notes=notes)
    assert not notes.problems


def test_what_is_of_another_map_is_said_beside_it_and_named_in_the_headline(tmp_path: Path, notes: Notes) -> None:
    chain = Chain(tmp_path)
    chain.save_areas(chain.areas, of="f" * 64)
    made = json.loads(chain.scores.read_text())
    del made["split"], made["self_sha256"]
    made |= {"subject": "map", "map": "other.tif", "reference": "truth.tif", "inputs": {"map": "e" * 64}}
    write_json(chain.scores, made, overwrite=True)
    page = chain.report(chain.map, chain.areas, chain.scores, notes=notes)
    for part, sentence in (
        ("area", "The areas areas.json were not counted from the class map map.tif."),
        ("scores", "The evaluation evaluation.json does not score the class map map.tif."),
    ):
        section = page.partition(f'<h2 id="{part}-1">')[2].partition("</section>")[0]
        assert sentence in section
        assert "does not belong to the rest of the page" in section
        assert any(sentence.rstrip(".") in str(problem) for problem in notes.problems)
    assert {problem.severity for problem in notes.problems} == {"incomplete"}
    heads = Reader(page.partition('<main id="content">')[0]).text
    assert "of the scored pixels right (other.tif against truth.tif)" in heads
    assert "mean IoU of other.tif" in heads


def test_areas_of_several_maps_belong_to_a_page_that_shows_the_second(chain: Chain, notes: Notes) -> None:
    made = json.loads(chain.areas.read_text())
    del made["self_sha256"]
    made["inputs"] = {"map": "f" * 64, "map 2": sha256_file(chain.map)}
    both = chain.folder / "both.json"
    write_json(both, made, overwrite=True)
    page = chain.report(chain.map, both, notes=notes)
    assert "The areas both.json were counted from the class map map.tif." in Reader(page).text
    assert not notes.problems


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".parquet"])
def test_polygons_are_known_by_the_record_beside_them(chain: Chain, suffix: str) -> None:
    file, record = chain.folder / f"objects{suffix}", chain.folder / "objects.json"
    file.write_bytes(b"SQLite format 3")
    row = {"class_id": 20, "class_name": "water", "polygons": 12, "raster_m2": 2.6e7, "polygon_m2": 2.6e7}
    made = stamp("polygons", config={}, inputs={"map": sha256_file(chain.map)}) | {"map": "map.tif", "crs": GRID.crs}
    made |= {"polygons": file.name, "legend": LEGEND.to_json(), "classes": [row]}
    record.unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"has no objects\.json beside it.*`vectorize` writes"):
        chain.report(chain.map, file)
    write_json(record, made | {"polygons": "other.gpkg"}, overwrite=True)
    with pytest.raises(InputError, match=r"has beside it objects\.json of another file"):
        chain.report(chain.map, file)
    write_json(record, made, overwrite=True)
    assert f"Polygons of map.tif: {file.name}" in chain.report(chain.map, file)
    record.unlink()
    file.unlink()


def test_polygons_a_comparison_and_chips_have_their_sections(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    row = {"class_id": 20, "class_name": "water", "polygons": 1200, "raster_m2": 2.6e7, "polygon_m2": 2.6e7}
    made = stamp("polygons", config={"min_area_m2": 500.0, "small": "drop"}, inputs={"map": sha256_file(chain.map)})
    made |= {"map": "map.tif", "polygons": "map.gpkg", "crs": GRID.crs, "legend": LEGEND.to_json(), "classes": [row]}
    write_json(tmp_path / "polygons.json", made, overwrite=False)
    runs = [
        {"name": name, "overall": {"mean_iou": [miou, miou - 0.1, miou + 0.1]}, "iou": {"water": [miou, None, None]}}
        for name, miou in (("a", 0.5), ("b", 0.7))
    ]
    runs[1]["difference"] = {"overall": {"mean_iou": [0.2, 0.1, 0.3, 0.0002]}}
    verdict = {"best": "b", "sentence": "b is better <than> a."}
    compared = stamp("comparison", config={}, inputs={}) | {"runs": runs, "verdict": verdict, "against": "a"}
    write_json(tmp_path / "c.json", compared | {"split": "test", "view": "all classes"}, overwrite=False)
    chips = stamp("chips", config={"split": "group"}, inputs={"s1": "0", "s2": "1"})
    chips |= {"fingerprint": "c", "counts": {"train": 3, "val": 0, "test": 1}, "chip_px": 64, "bands": ["B02"]}
    chips |= {
        "legend": LEGEND.to_json(),
        "class_pixels": {"train": {"water": 3, EVIL: 1}, "val": {}, "test": {EVIL: 5}},
    }
    chips |= {"leaks": {"overlapping": 2, "shared_images": 0}, "gsd_m": 10.0}
    (tmp_path / "chips").mkdir()
    write_json(tmp_path / "chips" / "chips.json", chips, overwrite=False)
    page = chain.report(chain.map, chain.run, tmp_path / "polygons.json", tmp_path / "c.json", tmp_path / "chips")
    text = " ".join(Reader(page).text.split())
    assert row_of(page, "water", 1)[0] == "1,200"
    assert "below 500 m² left out" in text
    assert "b is better <than> a. Scored on the “test” split: all classes." in text
    assert [" ".join(cell.split()) for cell in row_of(page, "b</strong>", 2)] == [
        "0.700 (0.600–0.800)",
        "+0.200 (+0.100 to +0.300)",
        "<0.001",
        "–",
    ]
    assert "2 chips overlap one of another split" in text
    assert row_of(page, "water", 5) == ["75.0\N{NO-BREAK SPACE}%", "0.0\N{NO-BREAK SPACE}%"]
    assert "The polygons polygons.json were made from the class map map.tif." in text
    assert "The segmenter run learned from the chips chips." in text


def objects_record(**other: Any) -> dict[str, Any]:
    """Give scores of two classes: 3 of 4 roofs found by 5 predictions, and a class that is nowhere."""
    averages = {"ap": 0.4, "ap50": 0.6, "ap75": 0.5, "ar": 0.45, "ar50": 0.75}
    none = dict.fromkeys(("precision", "recall", "f1", "mean_iou", *averages))
    roof = {"name": "roof", "reference": 4, "predicted": 5, "found": 3, "missed": 1, "false": 2, "precision": 0.6}
    roof |= {"recall": 0.75, "f1": 2 / 3, "mean_iou": 0.8} | averages
    tank = {"name": EVIL, "reference": 0, "predicted": 0, "found": 0, "missed": 0, "false": 0} | none
    made = stamp("objects", config={"iou": 0.5}, inputs={"predicted": "a", "reference": "b"})
    made |= {"kind": "coco", "predicted": "p.json", "reference": "r.json", "images": 2, "iou": 0.5, "order": "score"}
    return made | {"max_detections": 100, "classes": [roof, tank], "overall": roof | {"name": "all"}} | other


def test_scores_of_objects_have_their_section_and_are_explained(tmp_path: Path) -> None:
    chain = Chain(tmp_path)
    write_json(tmp_path / "objects.json", objects_record(), overwrite=False)
    page = chain.report(chain.map, tmp_path / "objects.json")
    text = " ".join(Reader(page).text.split())
    said = "p.json was compared with r.json in 2 images. Of 4 objects of the reference 3 were found and 1 missed"
    assert f"{said}; of 5 predictions 2 are false." in text
    assert row_of(page, "roof", 1) == ["4", "3", "1", "2", "0.600", "0.750", "0.667", "0.800"]
    assert row_of(page, "roof", 2) == ["0.600", "0.750", "0.500", "0.400", "0.450"]
    assert row_of(page, "mean of the classes", 2) == ["0.600", "0.750", "0.500", "0.400", "0.450"]
    assert "AP50 is average precision at an IoU of 0.5" in text
    assert "The 100 surest predictions of each image and class are taken." in text
    assert re.search(r"of the objects found \(r\.json\) ?75\.0\s%", text)
    assert f"The reference has no object of {EVIL}" in text
    assert "does not say how good the map is" not in text
    assert EVIL not in page


@pytest.mark.parametrize(("order", "why"), [("size", "have no scores"), ("file", "have the same score")])
def test_average_precision_without_an_order_is_called_of_little_worth(tmp_path: Path, order: str, why: str) -> None:
    chain = Chain(tmp_path)
    write_json(tmp_path / "objects.json", objects_record(order=order, kind="vector"), overwrite=False)
    text = " ".join(Reader(chain.report(tmp_path / "objects.json")).text.split())
    assert re.search(f"predictions {why}, .*: average precision says little here", text)
    assert "2 images" not in text


def test_the_name_of_the_place_stands_before_its_coordinates(chain: Chain) -> None:
    page = chain.report(chain.map, place="Delta & coast")
    assert re.search(r'class="subtitle">Delta &amp; coast, 45\.\d+° N', page)


def test_scene_and_maps_of_several_places_have_no_common_coordinates(chain: Chain) -> None:
    other = chain.folder / "elsewhere.tif"
    save_raster(other, np.arange(54, dtype=np.uint16).reshape(6, 9) * 100)
    assert 'class="subtitle"' not in chain.report(other, chain.scene)


def test_artefacts_of_one_name_are_told_apart_by_their_folders(chain: Chain, tmp_path: Path) -> None:
    twin = tmp_path / "twin" / "scene.tif"
    twin.parent.mkdir()
    twin.write_bytes(chain.scene.read_bytes())
    text = Reader(chain.report(chain.scene, twin)).text
    assert "twin/scene.tif" in text
    assert f"{chain.folder.name}/scene.tif" in text


def test_title_and_picture_size_are_options(chain: Chain) -> None:
    assert "<h1>My &lt;b&gt; title</h1>" in chain.report(chain.map, title="My <b> title")


def test_bands_shown_can_be_chosen(chain: Chain) -> None:
    assert chain.report(chain.scene, rgb="1,2,3") != chain.report(chain.scene)
    with pytest.raises(ConfigError, match="three bands"):
        ReportConfig(rgb="1,2")


@pytest.mark.parametrize("name", ["notes.txt", "other.json", "table.csv"])
def test_unknown_file_is_refused_by_name(chain: Chain, name: str) -> None:
    path = chain.folder / name
    path.write_text(json.dumps({"hello": 1}), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(str(path))):
        chain.report(chain.map, path)
    path.unlink()


def test_folder_that_is_no_run_is_refused_by_name(chain: Chain) -> None:
    with pytest.raises(InputError, match=r"work: is a folder, but no run"):
        chain.report(chain.folder / "work")


def test_incomplete_artefact_is_named(tmp_path: Path) -> None:
    path = tmp_path / "areas.json"
    write_json(path, stamp("areas", config={}, inputs={}) | {"kind": "mapped"}, overwrite=True)
    with pytest.raises(ArtefactError, match=r"areas\.json: is not complete"):
        write_report([path], tmp_path / "r.html", ReportConfig())


def test_result_is_a_page_and_replaces_nothing_unasked(chain: Chain) -> None:
    with pytest.raises(ArtefactError, match=r"\.html"):
        write_report([chain.map], chain.folder / "report.pdf", ReportConfig())
    (chain.folder / "there.html").touch()
    with pytest.raises(ArtefactError, match="overwrite"):
        write_report([chain.map], chain.folder / "there.html", ReportConfig())
