"""A project folder: what it makes, what it leaves alone, and that a data set put there goes through."""

from __future__ import annotations

import errno
import importlib
import inspect
import shlex
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.windows import Window

from factory import save_raster
from hectares.cli.main import run
from hectares.config.source import SourceConfig
from hectares.errors import ArtefactError, ConfigError, HectaresError, ResourceError
from hectares.formats.registry import Format, find_format, known_formats
from hectares.monitor import QUIET
from hectares.project import default_settings, init_project

Tree = Callable[[Path], dict[str, bytes]]
Writer = Callable[[Path], Path]
LAYOUTS = Path(__file__).parent / "layouts"
CLASS_FIELD = {"vectors": "kind"}
CHIP_PX = {"crowdai": 150, "dstl": 64, "leaftype": 32}


def _writers() -> Iterator[tuple[str, str, str]]:
    """Name the functions that write a tiny copy of a known layout: layout, module, function."""
    for path in sorted(LAYOUTS.glob("*.py")):
        module = importlib.import_module(f"layouts.{path.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            wanted = path.stem if name == "write_source" else name.removeprefix("write_")
            layouts = [layout for layout in known_formats() if wanted.startswith(layout)]
            parameters = inspect.signature(function).parameters.values()
            needed = sum(p.default is inspect.Parameter.empty for p in parameters)
            if name.startswith("write_") and layouts and needed == 1 and function.__module__ == module.__name__:
                yield max(layouts, key=len), path.stem, name


@pytest.mark.parametrize("layout", sorted(known_formats()))
def test_init_makes_folders_only_and_is_idempotent(tmp_path: Path, tree_of: Tree, layout: str):
    project = init_project(tmp_path / "p", layout=layout)
    assert project.made
    for entry in known_formats()[layout].folders:
        assert (tmp_path / "p" / project.source / entry).is_dir() or Path(entry).suffix
    assert all(not p.suffix for p in (tmp_path / "p").rglob("*") if p.is_dir())
    before = tree_of(tmp_path / "p")
    assert init_project(tmp_path / "p", layout=layout).made == ()
    assert tree_of(tmp_path / "p") == before


def test_what_is_there_already_stays(tmp_path: Path):
    (tmp_path / "p" / "images").mkdir(parents=True)
    (tmp_path / "p" / "legend.json").write_text("mine")
    init_project(tmp_path / "p")
    assert (tmp_path / "p" / "legend.json").read_text() == "mine"


def _layout(monkeypatch: pytest.MonkeyPatch, *folders: str) -> None:
    made = Format("odd", "an odd layout", "Files:\n\n    notes.json\n", "nowhere:nothing", folders=folders)
    monkeypatch.setattr("hectares.project.find_format", lambda _: made)


def test_a_file_of_a_layout_is_never_made_as_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _layout(monkeypatch, "train/annotation.json", "train/images", "v1.0/")
    project = init_project(tmp_path / "p", layout="odd")
    assert not (tmp_path / "p/data/train/annotation.json").exists()
    assert (tmp_path / "p/data/train/images").is_dir()
    assert (tmp_path / "p/data/v1.0").is_dir()
    assert project.places["data/train/annotation.json"] == "file of the data set, as below"


def test_a_folder_that_has_the_name_of_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _layout(monkeypatch, "train/annotation.json")
    (tmp_path / "p/data/train/annotation.json").mkdir(parents=True)
    with pytest.raises(ArtefactError, match=r"annotation\.json: is a folder where a file goes"):
        init_project(tmp_path / "p", layout="odd")


@pytest.mark.parametrize("folder", ["../images", "/images"])
def test_a_layout_cannot_lead_out_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str):
    _layout(monkeypatch, folder)
    with pytest.raises(ConfigError, match="is no folder below the project"):
        init_project(tmp_path / "p", layout="odd")


def test_a_file_in_the_way_is_refused_before_anything_is_made(tmp_path: Path, tree_of: Tree):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "labels").write_text("a list")
    with pytest.raises(ArtefactError, match="labels: is a file where a folder is needed"):
        init_project(tmp_path / "p")
    assert tree_of(tmp_path / "p") == {"labels": b"a list"}
    with pytest.raises(ArtefactError, match="is a file; choose another name"):
        init_project(tmp_path / "p" / "labels")
    with pytest.raises(ArtefactError, match="cannot be written"):
        init_project(tmp_path / "p" / "labels" / "deep")


def test_a_file_in_the_way_of_a_deeper_folder_is_named(tmp_path: Path):
    (tmp_path / "Data").write_text("")
    with pytest.raises(ArtefactError, match="Data: is a file where a folder is needed"):
        init_project(tmp_path, layout="crowdai")


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [(errno.EROFS, ArtefactError, "cannot be written"), (errno.ENOSPC, ResourceError, "the disk is full")],
)
def test_errors_of_the_disk_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[HectaresError], said: str
):
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(kind, match=said):
        init_project(tmp_path / "p")


def test_an_unknown_layout_is_refused_with_the_known_ones(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"'crowd' is unknown; known: .*folders"):
        init_project(tmp_path / "p", layout="crowd")
    assert not (tmp_path / "p").exists()


def test_the_settings_explain_inherited_options_as_well():
    lines = default_settings().splitlines()
    assert "  # Side of the square chips, in pixels." in lines
    assert lines.count("  # limit: null") >= 2
    assert all(line.strip("# ").strip() for line in lines if line.startswith("  #"))


def test_the_command_says_where_things_go_and_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture):
    assert run(["init", str(tmp_path / "p"), "--layout", "dstl"]) == 0
    text = capsys.readouterr().out
    for said in (f"{tmp_path}/p/data/three_band", "train_wkt_v4.csv", "hectares check data --layout dstl", "run.yaml"):
        assert said in text
    readme = (tmp_path / "p" / "README.md").read_text()
    assert "sixteen_band/ID_M.tif" in readme
    assert "hectares prepare dstl data chips --config run.yaml" in readme


def _make_distinct(source: Path, layout: str) -> None:
    """Change a corner of each image: images of different splits must not be copies of each other."""
    config = SourceConfig(class_field=CLASS_FIELD.get(layout))
    images = sorted({s.image for s in find_format(layout).read(source, config, QUIET).scenes})
    for n, path in enumerate(images):
        if path.suffix.lower() in {".tif", ".tiff"}:
            with warnings.catch_warnings(action="ignore"), rasterio.open(path, "r+") as image:
                image.write(np.full((1, 1), n + 1, image.dtypes[0]), 1, window=Window(0, 0, 1, 1))
        else:
            picture = np.array(Image.open(path))
            picture[:8, :8] = 3 * n
            Image.fromarray(picture).save(path)


def _go_through(project: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the commands that init names, up to the chips, as they stand."""
    monkeypatch.chdir(project)
    check, labels, prepare = init_project(project, layout=layout).commands[:3]
    options = ("--class-field", CLASS_FIELD[layout]) if layout in CLASS_FIELD else ()
    chip = str(CHIP_PX.get(layout, 4))
    for _ in range(2):  # what the first round made is not taken for data in the second
        assert run([*shlex.split(check)[1:], *options, "-q"]) in {0, 3}
        assert run([*shlex.split(labels)[1:], *options, "-q"]) == 0
        assert run([*shlex.split(prepare)[1:], *options, "--chip-px", chip, "--overwrite", "-q"]) in {0, 3}
    assert (project / "rasters" / "catalog.json").is_file()
    assert (project / "chips" / "chips.json").is_file()


@pytest.mark.parametrize(("layout", "module", "writer"), list(_writers()))
def test_data_put_where_init_says_is_checked_and_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, module: str, writer: str
):
    project = init_project(tmp_path / "p", layout=layout)
    write = getattr(importlib.import_module(f"layouts.{module}"), writer)
    download = write(tmp_path / "download")
    shutil.copytree(download, project.folder / project.source, dirs_exist_ok=True)
    _make_distinct(project.folder / project.source, layout)
    save_raster(project.folder / "scenes" / "to_map.tif", np.full((3, 9, 9), 7, np.uint8))
    _go_through(project.folder, layout, monkeypatch)


def test_crowdai_data_put_into_the_folders_of_init_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    crowdai = pytest.importorskip("layouts.crowdai")
    project = init_project(tmp_path / "p", layout="crowdai")
    folders = {p for p in project.folder.rglob("*") if p.is_dir()}
    crowdai.write_crowdai(project.folder, project=True)
    assert {p for p in project.folder.rglob("*") if p.is_dir()} == folders
    _go_through(project.folder, "crowdai", monkeypatch)
