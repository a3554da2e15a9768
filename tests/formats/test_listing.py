"""What lies below a folder: each file once, and no results of our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from factory import WriteRaster
from hectares.config.labels import LabelsConfig
from hectares.config.prepare import PrepareConfig
from hectares.config.source import SourceConfig
from hectares.core.legend import Legend
from hectares.errors import CatalogError, ConfigError
from hectares.formats.listing import is_result, list_files, list_folders
from hectares.formats.registry import find_format
from hectares.io.artefact import dump_json
from hectares.io.label_index import JOURNAL
from hectares.labels import write_labels
from hectares.monitor import QUIET
from hectares.prepare import prepare_source


@pytest.fixture
def source(tmp_path: Path, write_raster: WriteRaster) -> Path:
    """Give a folder of three images with labels."""
    for n, name in enumerate("abc"):
        write_raster(f"data/images/{name}.tif", np.full((2, 8, 12), n + 1, np.uint8))
        write_raster(f"data/labels/{name}.tif", np.array([[1, 2] * 6] * 8, np.uint8))
    legend = Legend.of({1: "water", 2: "forest"})
    (tmp_path / "data" / "legend.json").write_text(dump_json(legend.to_json()))
    return tmp_path / "data"


def _names(root: Path, paths: tuple[Path, ...]) -> list[str]:
    return [p.relative_to(root).as_posix() for p in paths]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path):
    for name in ("b/x.tif", "a.tif", ".hidden/y.tif", "b/.z.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert _names(tmp_path, list_files(tmp_path)) == ["a.tif", "b/x.tif"]
    assert _names(tmp_path, list_folders(tmp_path)) == [".", "b"]


def test_a_link_that_leads_back_is_not_followed_and_one_that_leads_on_is(tmp_path: Path):
    (tmp_path / "root/images").mkdir(parents=True)
    (tmp_path / "root/images/a.tif").touch()
    (tmp_path / "far").mkdir()
    (tmp_path / "far/b.tif").touch()
    (tmp_path / "root/images/loop").symlink_to("..")
    (tmp_path / "root/a-first").symlink_to("images")
    (tmp_path / "root/more").symlink_to(tmp_path / "far")
    root = tmp_path / "root"
    assert _names(root, list_files(root)) == ["images/a.tif", "more/b.tif"]
    assert _names(root, list_files(root / "images")) == ["images/a.tif"]


def test_a_link_that_leads_nowhere_is_listed_so_that_its_reader_names_it(tmp_path: Path):
    (tmp_path / "a.tif").symlink_to("gone.tif")
    assert _names(tmp_path, list_files(tmp_path)) == ["a.tif"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(CatalogError, match="there is no such folder"):
        list_files(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("chips.json", '{"bands": [], "hectares": "chips"}', True),
        ("labels.json", '{"hectares": "labels"}', True),
        ("run.json", '{"hectares": "run"}', True),
        ("labels.json", '{"classes": ["hectares"]}', False),  # of somebody else
        ("catalog.json", '{"scenes": []}', False),  # `init` writes it beside the images of a project
        (JOURNAL, "{}", True),  # a run that was stopped
    ],
)
def test_a_result_is_told_by_what_its_artefact_says(tmp_path: Path, name: str, text: str, expected: bool):
    (tmp_path / name).write_text(text)
    assert is_result(tmp_path) == expected


@pytest.mark.parametrize("layout", ["folders", "vectors"])
def test_results_inside_the_source_are_not_read_as_data(source: Path, layout: str):
    write_labels("folders", source, source / "rasters", LabelsConfig())
    prepare_source("folders", source, source / "chips", PrepareConfig(chip_px=4))
    if layout == "vectors":
        names = _names(source, list_files(source))
        assert names == [*(f"{f}/{n}.tif" for f in ("images", "labels") for n in "abc"), "legend.json"]
        return
    assert [s.id for s in find_format("folders").read(source, SourceConfig(), QUIET).scenes] == ["a", "b", "c"]


def test_a_loop_does_not_double_the_scenes(source: Path):
    (source / "images/loop").symlink_to("..")
    (source / "labels/loop").symlink_to("..")
    assert [s.id for s in find_format("folders").read(source, SourceConfig(), QUIET).scenes] == ["a", "b", "c"]


@pytest.mark.parametrize("place", ["images/out", "labels", "images/deep/er"])
def test_a_result_among_the_data_is_refused(source: Path, place: str):
    with pytest.raises(ConfigError, match="holds images or labels of the source; choose a folder outside"):
        write_labels("folders", source, source / place, LabelsConfig())
    with pytest.raises(ConfigError, match="holds images or labels of the source; choose a folder outside"):
        prepare_source("folders", source, source / place, PrepareConfig(chip_px=4))


def test_names_of_bands_survive_in_the_catalog_of_labels(source: Path, tmp_path: Path):
    write_labels("folders", source, tmp_path / "out", LabelsConfig(band_names="nir,red"))
    store = prepare_source("catalog", tmp_path / "out", tmp_path / "chips", PrepareConfig(chip_px=4))
    assert store.stats.names == ("nir", "red")
