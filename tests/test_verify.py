"""Is a file still what was written, and does it follow from what it names?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from factory import WriteRaster
from hectares.change import measure_change
from hectares.cli.main import run
from hectares.config.change import ChangeConfig
from hectares.config.evaluate import EvaluateConfig
from hectares.config.measure import MeasureConfig
from hectares.config.predict import PredictConfig
from hectares.config.prepare import PrepareConfig
from hectares.config.vectorize import VectorizeConfig
from hectares.config.verify import VerifyConfig
from hectares.core.grid import Grid
from hectares.core.legend import Legend
from hectares.errors import ArtefactError, ConfigError, HectaresError, InputError
from hectares.evaluate import evaluate_map
from hectares.io.artefact import dump_json, save_json
from hectares.io.rasters.class_map import write_class_map
from hectares.io.rasters.map_files import side_cars
from hectares.io.rasters.scene_file import write_scene
from hectares.measure import measure_map
from hectares.prepare import prepare_chips
from hectares.vectorize import vectorize_map
from hectares.verify import Verification, verify_file
from segmenters import save_random_segmenter

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (40, 70))
LEGEND = Legend.of({1: "water", 2: "forest", 5: "rock"}).for_maps()
INDICES = (np.add.outer(np.arange(40) // 7, np.arange(70) // 9) % 3).astype(np.uint8)
INDICES[3:9, 5:20] = 255


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a map and the areas on it."""
    folder = tmp_path_factory.mktemp("made")
    write_class_map(folder / "map.tif", INDICES, GRID, LEGEND, {"version": "0.1.0"}, overwrite=False)
    measure_map(folder / "map.tif", folder / "areas.csv", MeasureConfig())
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """Give a copy of that folder, to be damaged."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def _verify(path: Path, **options: object) -> Verification:
    return verify_file(path, VerifyConfig(**options))


def _flip(path: Path, position: int, by: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= by
    path.write_bytes(content)


def _is_noticed(path: Path) -> bool:
    try:
        return not verify_file(path, VerifyConfig(windows=0)).is_proven
    except HectaresError:
        return True


# --- A map ------------------------------------------------------------------------------------------------


def test_an_untouched_map_is_proven(made: Path):
    found = _verify(made / "map.tif")
    assert found.is_proven
    assert found.kind == "class map"
    assert "every byte of the map is the one that was written" in found.agrees


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # GDAL's message about a damaged tag
@pytest.mark.parametrize("name", ["map.tif", "map.stac.json", "map.qml", "map.sld", "map.clr", "map.tif.aux.xml"])
def test_any_changed_byte_of_a_map_or_beside_it_is_noticed(copy: Path, name: str):
    whole = (copy / name).read_bytes()
    rng = np.random.default_rng(len(name))
    for position in rng.integers(0, len(whole), 30).tolist():
        _flip(copy / name, position, int(rng.integers(1, 256)))
        assert _is_noticed(copy / "map.tif"), position
        (copy / name).write_bytes(whole)


def test_a_finding_names_file_and_both_values(copy: Path):
    _flip(copy / "map.tif", -1)
    first = str(_verify(copy / "map.tif").mismatches[0])
    assert first.startswith(f"{copy / 'map.tif'}: SHA-256 of the file: recorded ")
    assert ", found " in first


def test_without_its_item_the_codes_are_proven_and_the_rest_is_said_not_to_be(copy: Path):
    side_cars(copy / "map.tif")[".stac.json"].unlink()
    found = _verify(copy / "map.tif")
    assert found.is_proven
    assert any("overviews, padding" in text for text in found.unproven)


def test_other_pixels_are_noticed_even_where_the_item_was_made_to_fit(copy: Path):
    other = INDICES.copy()
    other[0, 0] = 2
    write_class_map(copy / "other.tif", other, GRID, LEGEND, {"version": "0.1.0"}, overwrite=False)
    shutil.move(copy / "other.tif", copy / "map.tif")
    assert any("SHA-256" in m.what for m in _verify(copy / "map.tif").mismatches)


def test_a_style_that_a_gis_saved_again_is_no_difference_while_it_says_the_same(copy: Path):
    style = copy / "map.qml"
    style.write_text(style.read_text().replace("<pipe>", "<pipe><provider/>"))
    found = _verify(copy / "map.tif")
    assert found.is_proven
    assert any("saved again" in text for text in found.unproven)
    style.write_text(style.read_text().replace("forest", "woods"))
    assert not _verify(copy / "map.tif").is_proven


def test_a_record_without_a_fingerprint_of_itself_is_told_and_not_called_different(copy: Path):
    record = json.loads((copy / "areas.json").read_text())
    del record["self_sha256"]
    (copy / "areas.json").write_text(json.dumps(record))
    found = _verify(copy / "areas.json")
    assert found.is_proven
    assert any("areas.json holds no fingerprint of itself" in text for text in found.unproven)
    record["coverage"] = 0.5
    (copy / "areas.json").write_text(json.dumps(record))
    assert not _verify(copy / "areas.json").is_proven  # measured again


def test_a_map_of_others_holds_nothing_to_verify_it_by(write_raster: WriteRaster):
    path = write_raster("foreign.tif", np.ones((4, 5), np.uint8))
    with pytest.raises(ArtefactError, match="no class map of hectares"):
        _verify(path)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path):
    with pytest.raises(InputError, match="there is no such file"):
        _verify(tmp_path / "map.tif")


# --- A map and what it was made from ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a scene, a run and three maps."""
    pytest.importorskip("torch")
    from hectares.predict import predict_scene

    folder = tmp_path_factory.mktemp("predicted")
    save_random_segmenter(folder / "run" / "segmenter", LEGEND)
    image = np.random.default_rng(1).integers(1, 200, (2, 90, 130), dtype=np.uint8)
    image[:, 20:40, 30:60] = 0
    grid = Grid(GRID.crs, GRID.transform, (90, 130))
    write_scene(folder / "scene.tif", image, grid, ("red", "nir"), nodata=0, overwrite=False)
    config = {"tile_px": 48, "overlap_px": 16, "device": "cpu", "runtime": "torch"}
    predict_scene(folder / "run", folder / "scene.tif", folder / "map.tif", PredictConfig(**config))
    predict_scene(folder / "run", folder / "scene.tif", folder / "map.png", PredictConfig(**config))
    predict_scene(folder / "run", folder / "scene.tif", folder / "taper.tif", PredictConfig(**config, blend="taper"))
    return folder


@pytest.mark.parametrize("name", ["map.tif", "taper.tif", "map.png"])
def test_scene_and_run_are_found_and_windows_come_out_the_same(predicted: Path, name: str):
    found = _verify(predicted / name, windows=4, least_agreement=1.0)
    assert found.is_proven
    assert any("scene.tif" in text for text in found.agrees)
    assert any("4 of 12 windows" in text and "all pixels are the same" in text for text in found.agrees)


def test_another_scene_is_a_difference_and_a_scene_that_is_not_there_is_not(predicted: Path, tmp_path: Path):
    shutil.copy(predicted / "scene.tif", tmp_path / "scene.tif")
    _flip(tmp_path / "scene.tif", -1)
    found = _verify(predicted / "map.tif", scene=str(tmp_path / "scene.tif"))
    assert [m.what for m in found.mismatches] == ["SHA-256 of the scene"]
    elsewhere = tmp_path / "far" / "away"
    elsewhere.mkdir(parents=True)
    for name in ("map.tif", "map.stac.json"):
        shutil.copy(predicted / name, elsewhere / name)
    found = _verify(elsewhere / "map.tif")
    assert found.is_proven
    assert any("--scene" in text for text in found.unproven)
    assert any("--run" in text for text in found.unproven)


def test_a_map_that_the_run_does_not_make_is_noticed(predicted: Path, tmp_path: Path):
    from hectares.io.rasters.class_map import open_class_map

    with open_class_map(predicted / "map.tif") as opened:
        forged = np.where(opened.read(opened.grid.window) == 0, 1, 0).astype(np.uint8)
        write_class_map(tmp_path / "map.tif", forged, opened.grid, opened.legend, opened.provenance, overwrite=False)
    found = _verify(tmp_path / "map.tif", scene=str(predicted / "scene.tif"), run=predicted / "run")
    assert ["share of equal pixels" in m.what for m in found.mismatches] == [True]


# --- Other artefacts --------------------------------------------------------------------------------------


def test_areas_are_measured_again(made: Path):
    found = _verify(made / "areas.csv")
    assert found.is_proven
    assert any("areas.csv follows from" in text for text in found.agrees)


def test_a_changed_table_is_noticed(copy: Path):
    table = copy / "areas.csv"
    table.write_text(table.read_text().replace("water,", "water,1", 1))
    found = _verify(table)
    assert len(found.mismatches) == 1
    assert found.mismatches[0].recorded.startswith("1,water,1")


def test_areas_that_were_changed_and_sealed_again_are_noticed(copy: Path):
    content = json.loads((copy / "areas.json").read_text())
    content["total"][0]["pixels"] += 1
    save_json(copy / "areas.json", content)
    assert [m.what for m in _verify(copy / "areas.json").mismatches] == ["total, measured again"]


def test_areas_of_another_map_are_noticed(copy: Path):
    write_class_map(copy / "map.tif", INDICES[::-1], GRID, LEGEND, {}, overwrite=True)
    assert ["SHA-256 of the map" in m.what for m in _verify(copy / "areas.csv").mismatches] == [True]
    with pytest.raises(ConfigError, match="names 2 file"):
        _verify(copy / "areas.csv", map=(copy / "map.tif", copy / "map.tif"))


def test_any_changed_byte_of_a_record_is_noticed(copy: Path):
    whole = (copy / "areas.json").read_bytes()
    for position in np.random.default_rng(0).integers(0, len(whole), 40).tolist():
        _flip(copy / "areas.json", position)
        assert _is_noticed(copy / "areas.json"), position
        (copy / "areas.json").write_bytes(whole)


def test_scores_are_computed_again(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hectares.evaluate.draw_evaluation", lambda path, *_: path.write_bytes(b"png"))
    reference = np.roll(INDICES, 2, axis=1)
    write_class_map(tmp_path / "reference.tif", reference, GRID, LEGEND, {}, overwrite=False)
    evaluate_map(made / "map.tif", tmp_path / "reference.tif", tmp_path / "e.json", EvaluateConfig(draws=100))
    assert _verify(tmp_path / "e.json").is_proven
    content = json.loads((tmp_path / "e.json").read_text())
    content["overall"]["accuracy"] = 0.99
    save_json(tmp_path / "e.json", content)
    assert [m.what for m in _verify(tmp_path / "e.json").mismatches] == ["overall, computed again"]


def test_any_changed_byte_of_a_segmenter_is_noticed(tmp_path: Path):
    pytest.importorskip("torch")
    save_random_segmenter(tmp_path / "segmenter", LEGEND)
    assert _verify(tmp_path / "segmenter").is_proven
    rng = np.random.default_rng(0)
    for name in ("segmenter.json", "weights.safetensors"):
        file = tmp_path / "segmenter" / name
        whole = file.read_bytes()
        for position in rng.integers(0, len(whole), 15).tolist():
            _flip(file, position)
            assert _is_noticed(tmp_path / "segmenter"), (name, position)
            file.write_bytes(whole)


def test_any_changed_byte_of_chips_is_noticed(made: Path, tmp_path: Path):
    image = np.stack([INDICES + np.uint8(10), INDICES + np.uint8(60)])
    write_scene(tmp_path / "s.tif", image, GRID, ("red", "nir"), nodata=None, overwrite=False)
    scenes = [{"id": "s", "image": "s.tif", "label": str(made / "map.tif"), "split": "train"}]
    (tmp_path / "legend.json").write_text(dump_json(LEGEND.to_json()))
    (tmp_path / "catalog.json").write_text(dump_json({"legend": "legend.json", "scenes": scenes}))
    chips = tmp_path / "chips"
    prepare_chips(tmp_path / "catalog.json", chips, PrepareConfig(chip_px=16))
    found = _verify(chips)
    assert found.is_proven
    assert any("1 scene(s) are those" in text for text in found.agrees)
    rng = np.random.default_rng(0)
    for file in sorted(p for p in chips.iterdir() if p.suffix != ".png"):
        whole = file.read_bytes()
        for position in rng.integers(0, len(whole), 5).tolist() if whole else ():
            _flip(file, position)
            assert _is_noticed(chips), (file.name, position)
            file.write_bytes(whole)


# --- The command ------------------------------------------------------------------------------------------


def test_the_command_gives_0_or_4_and_a_line_for_each_finding(copy: Path, capsys: pytest.CaptureFixture[str]):
    assert run(["verify", "-q", str(copy / "map.tif")]) == 0
    assert "nothing differs" in capsys.readouterr().out
    _flip(copy / "map.clr", 0)
    assert run(["verify", "-q", str(copy / "map.tif")]) == 4
    shown = capsys.readouterr().out
    assert shown.count("DIFFERS") == 1
    assert run(["verify", "--json", str(copy / "map.tif")]) == 4
    record = json.loads(capsys.readouterr().out)["result"]
    assert record["proven"] is False
    assert record["mismatches"][0]["file"].endswith("map.clr")


def test_a_changed_table_of_change_is_noticed(copy: Path):
    later = INDICES.copy()
    later[10:12, :4] = 0
    write_class_map(copy / "later.tif", later, GRID, LEGEND, {"version": "0.1.0"}, overwrite=False)
    measure_change(copy / "map.tif", copy / "later.tif", copy / "change.csv", ChangeConfig())
    found = _verify(copy / "change.csv")
    assert found.is_proven
    assert "change.csv says what change.json says, to the byte" in found.agrees
    text = (copy / "change.csv").read_text()
    (copy / "change.csv").write_text(text.replace(",water,", ",water,1", 1))
    assert [m.what for m in _verify(copy / "change.csv").mismatches] == ["table, made again"]


def test_a_table_beside_the_record_of_polygons_is_not_proven_by_it(copy: Path):
    vectorize_map(copy / "map.tif", copy / "other.gpkg", VectorizeConfig())
    (copy / "other.json").replace(copy / "areas.json")
    with pytest.raises(InputError, match=r"areas.json beside it is that of polygons"):
        _verify(copy / "areas.csv")
