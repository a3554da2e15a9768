"""Catalog to chips."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from factory import UTM, Notes, WriteRaster, all_chips, plain_scene
from hectares.config.prepare import PrepareConfig
from hectares.core.legend import Legend
from hectares.core.window import Window
from hectares.errors import ArtefactError, BandError, CatalogError, ConfigError, GridError, InputError, Interrupted
from hectares.io.catalog import Catalog, CatalogScene, LabelRules, RasterLabel
from hectares.io.chips.store import ChipStore
from hectares.io.rasters.raster import open_raster
from hectares.prepare import prepare_catalog, prepare_chips, prepare_source

CHIP = 8
RNG = np.random.default_rng(11)


def _scene(
    write: WriteRaster, name: str, split: str | None = None, *, shape: tuple[int, int] = (16, 24), **options: object
) -> CatalogScene:
    image = options.pop("image", RNG.integers(1, 4000, (2, *shape), dtype=np.uint16))
    label = RNG.choice(np.array([0, 10, 20, 35, 99], np.uint8), shape)
    return plain_scene(
        name,
        write(f"{name}/image.tif", image, names=["red", "nir"][: len(image)], nodata=0, **options),
        write(f"{name}/label.tif", options.pop("label", label)),
        group=name[0],
        split=split,
    )


def _catalog(write: WriteRaster, legend: Legend, **options: object) -> Catalog:
    scenes = [_scene(write, name, split, **options) for name, split in (("a1", "train"), ("b1", "val"), ("c1", "test"))]
    return Catalog(tuple(scenes), legend)


CONFIG = PrepareConfig(chip_px=CHIP)


@pytest.fixture
def catalog(write_raster: WriteRaster, legend: Legend) -> Catalog:
    """Give three scenes of 16 x 24 px, one a split."""
    return _catalog(write_raster, legend)


def _labels(store: ChipStore) -> np.ndarray:
    return np.concatenate([all_chips(store, s).labels for s, n in store.counts.items() if n])


def test_chips_hold_pixels_and_indices_of_their_window(tmp_path: Path, catalog: Catalog, legend: Legend):
    from hectares.io.labels import LabelFile
    from hectares.io.rasters.raster import open_raster

    store = prepare_catalog(catalog, tmp_path / "chips", CONFIG)
    assert store.counts == {"train": 6, "val": 6, "test": 6}
    by_id = {s.id: s for s in catalog.scenes}
    for split in store.counts:
        arrays = all_chips(store, split)
        for record in store.records(split):
            scene = by_id[record.scene]
            with open_raster(scene.image) as raster:
                chip = raster.read(record.window)
            assert np.array_equal(arrays.images[record.number], chip.image)
            label = LabelFile(scene.label.path, legend)
            assert np.array_equal(arrays.labels[record.number], label.read(record.window))
            label.close()
            assert record.labelled_px == (arrays.labels[record.number] != 255).sum()
    assert (store.stats.names, store.gsd_m, store.content["dtype"]) == (("red", "nir"), 10, "uint16")


def test_labels_hold_only_declared_indices(tmp_path: Path, catalog: Catalog):
    labels = _labels(prepare_catalog(catalog, tmp_path / "chips", replace(CONFIG, chip_px=7, edge="pad")))
    assert set(np.unique(labels)) == {0, 1, 2, 255}


def test_nodata_of_the_image_has_no_label(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    image = RNG.integers(1, 4000, (2, 16, 24), dtype=np.uint16)
    image[:, 3:5, 6] = 0
    scene = _scene(write_raster, "a1", "train", image=image, label=np.full((16, 24), 10, np.uint8))
    arrays = all_chips(prepare_catalog(Catalog((scene,), legend), tmp_path / "chips", CONFIG), "train")
    assert np.argwhere(arrays.labels[0] == 255).tolist() == [[3, 6], [4, 6]]
    assert np.array_equal(arrays.valid[0] == 0, arrays.labels[0] == 255)


def test_statistics_come_from_valid_training_pixels(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    image = RNG.integers(1, 4000, (2, 16, 24), dtype=np.uint16)
    image[:, 2, 2] = 0
    label = np.full((16, 24), 10, np.uint8)
    train = _scene(write_raster, "a1", "train", image=image, label=label)
    others = [
        _scene(write_raster, name, split, image=image + shift, label=label)
        for name, split, shift in (("b1", "val", 5000), ("c1", "test", 6000))
    ]
    store = prepare_catalog(Catalog((train, *others), legend), tmp_path / "chips", CONFIG)
    seen = image[:, image[0] > 0].astype(float)
    assert store.stats.mean == pytest.approx(seen.mean(axis=1), rel=1e-12)
    assert store.stats.std == pytest.approx(seen.std(axis=1), rel=1e-12)


def test_statistics_by_hand_with_a_padded_edge(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    image = np.concatenate([np.full((1, 5, 7), 4, np.uint16), np.full((1, 5, 7), 6, np.uint16)], axis=1)
    scene = _scene(write_raster, "a1", "train", image=image, label=np.full((10, 7), 20, np.uint8))
    store = prepare_catalog(Catalog((scene,), legend), tmp_path / "chips", replace(CONFIG, split="official"))
    assert (store.stats.mean, store.stats.std) == ((5.0,), (1.0,))
    assert store.counts["train"] == 2
    assert all_chips(store, "train").labels[0].tolist()[0] == [0] * 7 + [255]


def test_bands_are_chosen_in_order(tmp_path: Path, catalog: Catalog):
    both = all_chips(prepare_catalog(catalog, tmp_path / "both", CONFIG), "train").images
    turned = prepare_catalog(catalog, tmp_path / "turned", replace(CONFIG, bands="nir,1"))
    assert np.array_equal(all_chips(turned, "train").images, both[:, ::-1])
    assert turned.stats.names == ("nir", "red")


def test_twelve_constant_bands_keep_their_order(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    image = np.arange(1, 13, dtype=np.uint16)[:, None, None] * np.ones((8, 8), np.uint16)
    path = write_raster("s2.tif", image)
    label = write_raster("l.tif", np.full((8, 8), 10, np.uint8))
    catalog = Catalog((plain_scene("a", path, label, "a", "train"),), legend)
    for bands, expected in (("4,3,2", [4, 3, 2]), ("all", list(range(1, 13)))):
        config = replace(CONFIG, bands=bands, split="official")
        store = prepare_catalog(catalog, tmp_path / bands, config)
        assert all_chips(store, "train").images[0, :, 3, 5].tolist() == expected
        assert list(store.stats.mean) == expected
        assert set(store.stats.std) == {0}


def test_chips_without_a_label_are_left_out_and_counted(
    tmp_path: Path, write_raster: WriteRaster, legend: Legend, notes: Notes
):
    label = np.zeros((16, 24), np.uint8)
    label[:8, :8] = 10
    label[8, 8] = 20
    scene = _scene(write_raster, "a1", "train", label=label)
    config = replace(CONFIG, split="official", min_labelled=0.1)
    store = prepare_catalog(Catalog((scene,), legend), tmp_path / "chips", config, monitor=notes)
    assert store.counts["train"] == 1
    assert store.content["skipped"] == {"unlabelled": 4, "mostly unlabelled": 1}
    assert {"4 chip(s) are unlabelled", "1 chip(s) are mostly unlabelled"} <= {p.what for p in notes.problems}
    assert any("no pixel in" in p.what and "built-up" in p.what for p in notes.problems)


def test_class_pixels_are_counted_by_split(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    label = np.zeros((16, 24), np.uint8)
    label[0, :5], label[9, 9:12] = 10, 35
    catalog = Catalog((_scene(write_raster, "a1", "train", label=label),), legend)
    content = prepare_catalog(catalog, tmp_path / "chips", replace(CONFIG, split="official")).content
    assert content["class_pixels"]["train"] == {"water": 0, "forest": 5, "built-up": 3}


def test_the_same_work_gives_the_same_bytes(
    tmp_path: Path, catalog: Catalog, tree_of: Callable[[Path], dict[str, bytes]]
):
    one = prepare_catalog(catalog, tmp_path / "one", replace(CONFIG, split="block", block_px=8))
    two = prepare_catalog(catalog, tmp_path / "two", replace(CONFIG, split="block", block_px=8))
    assert one.fingerprint == two.fingerprint
    assert tree_of(one.folder) == tree_of(two.folder)


def test_a_prepared_catalog_can_be_prepared_again(tmp_path: Path, catalog: Catalog):
    one = prepare_catalog(catalog, tmp_path / "one", CONFIG)
    two = prepare_chips(tmp_path / "one" / "catalog.json", tmp_path / "two", CONFIG)
    assert one.fingerprint == two.fingerprint


def test_folders_are_prepared(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    for name in "abc":
        scene = _scene(write_raster, name)
        (tmp_path / "set/images").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set/labels").mkdir(exist_ok=True)
        scene.image.rename(tmp_path / f"set/images/{name}.tif")
        scene.label.path.rename(tmp_path / f"set/labels/{name}.tif")
    (tmp_path / "legend.json").write_text(json.dumps(legend.to_json()))
    config = replace(CONFIG, legend=tmp_path / "legend.json")
    store = prepare_source("folders", tmp_path / "set", tmp_path / "chips", config)
    assert sum(store.counts.values()) == 18


# --- Splits -----------------------------------------------------------------------------------------------


def test_groups_never_meet_across_a_split(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    scenes = tuple(_scene(write_raster, f"{g}{n}", shape=(8, 8)) for g in "abcd" for n in (1, 2))
    store = prepare_catalog(Catalog(scenes, legend), tmp_path / "chips", replace(CONFIG, split="group"))
    of_group: dict[str, set[str]] = {}
    for split in ("train", "val", "test"):
        for record in store.records(split):
            of_group.setdefault(record.group, set()).add(split)
    assert all(len(splits) == 1 for splits in of_group.values())
    assert set.union(*of_group.values()) == {"train", "val", "test"}


@pytest.mark.parametrize("key", ["scene", "group"])
def test_splits_come_from_a_csv(tmp_path: Path, catalog: Catalog, key: str):
    names = ["a1", "b1", "c1"] if key == "scene" else ["a", "b", "c"]
    lines = [f"{n},{s}" for n, s in zip(names, ["test", "train", "val"], strict=True)]
    (tmp_path / "s.csv").write_text(f"{key},split\n" + "\n".join(lines))
    store = prepare_catalog(catalog, tmp_path / "chips", replace(CONFIG, split=str(tmp_path / "s.csv")))
    assert [store.records(s)[0].scene for s in ("test", "train", "val")] == ["a1", "b1", "c1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scene,split\na1,train\nb1,val\n", r"names no split for 1 scene\(s\): c1"),
        ("scene,split\na1,dev\n", "'a1' has split 'dev'"),
        ("name,split\na1,train\n", "expected scene"),
    ],
)
def test_what_is_wrong_with_a_split_csv_is_named(tmp_path: Path, catalog: Catalog, text: str, message: str):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(CatalogError, match=message):
        prepare_catalog(catalog, tmp_path / "chips", replace(CONFIG, split=str(tmp_path / "s.csv")))


# --- Refusals ---------------------------------------------------------------------------------------------


def test_a_label_of_another_size_is_refused_naming_both(tmp_path: Path, write_raster: WriteRaster, catalog: Catalog):
    write_raster("a1/label.tif", np.full((15, 24), 10, np.uint8))
    with pytest.raises(GridError, match=r"label\.tif: is 15 x 24 px, its image image\.tif is 16 x 24"):
        prepare_catalog(catalog, tmp_path / "chips", CONFIG)
    assert not (tmp_path / "chips").exists()


@pytest.mark.parametrize("place", [{"crs": "EPSG:32632"}, {"transform": UTM.translation(0.5, 0) @ UTM}])
def test_a_label_elsewhere_is_refused_naming_both(
    tmp_path: Path, write_raster: WriteRaster, catalog: Catalog, place: dict[str, object]
):
    write_raster("a1/label.tif", np.full((16, 24), 10, np.uint8), **place)
    with pytest.raises(GridError, match=r"label\.tif: lies elsewhere than its image image\.tif"):
        prepare_catalog(catalog, tmp_path / "chips", CONFIG)


def test_a_label_without_a_place_takes_that_of_its_image(tmp_path: Path, write_raster: WriteRaster, catalog: Catalog):
    scenes = [
        replace(s, label=RasterLabel(write_raster(f"{s.id}/label.png", np.full((16, 24), 10, np.uint8))))
        for s in catalog.scenes
    ]
    store = prepare_catalog(replace(catalog, scenes=tuple(scenes)), tmp_path / "chips", CONFIG)
    assert sum(store.counts.values()) == 18


def test_all_problems_are_in_one_error(tmp_path: Path, write_raster: WriteRaster, catalog: Catalog):
    write_raster("a1/label.tif", np.full((15, 24), 10, np.uint8))
    (tmp_path / "b1/image.tif").write_bytes(b"")
    scenes = (*catalog.scenes[:2], replace(catalog.scenes[2], label=None))
    with pytest.raises(CatalogError) as caught:
        prepare_catalog(replace(catalog, scenes=scenes), tmp_path / "chips", CONFIG)
    lines = str(caught.value).splitlines()
    assert lines[0] == "3 scenes cannot be used:"
    assert ["a1/label.tif" in lines[1], "b1/image.tif" in lines[2], "c1/image.tif" in lines[3]] == [True] * 3


def test_scenes_of_different_bands_are_refused_naming_both(tmp_path: Path, write_raster: WriteRaster, catalog: Catalog):
    write_raster("b1/image.tif", np.ones((3, 16, 24), np.uint16))
    with pytest.raises(BandError, match=r"b1/image\.tif: has 3 bands of uint16 .*a1/image\.tif has 2 of uint16"):
        prepare_catalog(catalog, tmp_path / "chips", CONFIG)


def test_unknown_codes_leave_no_chips(tmp_path: Path, write_raster: WriteRaster, catalog: Catalog):
    write_raster("b1/label.tif", np.full((16, 24), 77, np.uint8))
    with pytest.raises(InputError, match="code 77"):
        prepare_catalog(catalog, tmp_path / "chips", CONFIG)
    assert not (tmp_path / "chips").exists()


def test_labels_of_nothing_are_refused(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    catalog = _catalog(write_raster, legend, label=np.zeros((16, 24), np.uint8))
    with pytest.raises(CatalogError, match=r"there is no training chip \(18 unlabelled\)"):
        prepare_catalog(catalog, tmp_path / "chips", CONFIG)


def test_the_data_set_itself_is_never_replaced(tmp_path: Path, catalog: Catalog):
    with pytest.raises(ArtefactError, match=r"holds image\.tif, an input|has no chips\.json"):
        prepare_catalog(catalog, tmp_path / "a1", CONFIG, overwrite=True)
    assert all(all(f.exists() for f in s.files) for s in catalog.scenes)


def test_a_folder_of_something_else_is_never_replaced(tmp_path: Path, catalog: Catalog):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtefactError, match=r"has no chips\.json"):
        prepare_catalog(catalog, tmp_path / "home", CONFIG, overwrite=True)
    assert (tmp_path / "home" / "thesis.txt").exists()


def test_old_chips_are_replaced_when_asked(tmp_path: Path, catalog: Catalog):
    prepare_catalog(catalog, tmp_path / "chips", CONFIG)
    with pytest.raises(ArtefactError, match="exists already"):
        prepare_catalog(catalog, tmp_path / "chips", CONFIG)
    store = prepare_catalog(catalog, tmp_path / "chips", replace(CONFIG, bands="1"), overwrite=True)
    assert store.stats.names == ("red",)


def test_a_limit_takes_the_first_scenes(tmp_path: Path, catalog: Catalog):
    scenes = (*catalog.scenes, replace(catalog.scenes[0], id="a2"))
    assert [s.id for s in replace(catalog, scenes=scenes).first(1).scenes] == ["a1", "b1", "c1"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"chip_px": 0}, "--chip-px is 0"),
        ({"chip_px": 10_000_000}, "--chip-px is 10000000; expected 1 to 16384"),
        ({"resize_px": 1_000_000}, "--resize-px is 1000000; expected 1 to 65536"),
        ({"erode_px": 5000}, "--erode-px is 5000; expected 0 to 256"),
        ({"band_names": "red,green,"}, "--band-names is 'red,green,'"),
        ({"band_names": "red,red"}, "--band-names is 'red,red'"),
        ({"val_share": 0.5, "test_share": 0.5}, "leave nothing to train on"),
        ({"split": "random"}, "--split is 'random'"),
        ({"nearest": 256}, "--nearest is 256"),
        ({"min_labelled": float("nan")}, "--min-labelled is nan"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        PrepareConfig(**wrong)


def test_windows_of_a_scene_smaller_than_a_chip_reach_beyond_it(
    tmp_path: Path, write_raster: WriteRaster, legend: Legend
):
    scene = _scene(write_raster, "a1", "train", shape=(5, 3), label=np.full((5, 3), 10, np.uint8))
    store = prepare_catalog(Catalog((scene,), legend), tmp_path / "chips", replace(CONFIG, split="official"))
    assert [r.window for r in store.records("train")] == [Window(0, 0, 8, 8)]
    assert (all_chips(store, "train").valid == 1).sum() == 15


def test_one_image_in_two_splits_is_refused_by_name(tmp_path):
    from hectares.core.grid import Grid
    from hectares.io.artefact import dump_json
    from hectares.io.rasters.scene_file import write_scene

    grid = Grid("EPSG:32633", UTM, (8, 8))
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    for name in ("a", "copy"):
        write_scene(tmp_path / f"{name}.tif", image, grid, ("gray",), nodata=None, overwrite=False)
    write_scene(tmp_path / "label.tif", np.ones((1, 8, 8), np.uint8), grid, ("class",), nodata=None, overwrite=False)
    scenes = [
        {"id": "a", "image": "a.tif", "label": "label.tif", "split": "train"},
        {"id": "copy", "image": "copy.tif", "label": "label.tif", "split": "test"},
    ]
    legend = {"classes": [{"code": 1, "name": "field"}]}
    (tmp_path / "legend.json").write_text(dump_json(legend))
    (tmp_path / "catalog.json").write_text(dump_json({"legend": "legend.json", "scenes": scenes}))
    with pytest.raises(CatalogError, match="'copy' and 'a' are the same image in the splits test, train"):
        prepare_chips(tmp_path / "catalog.json", tmp_path / "chips", PrepareConfig(chip_px=4))


# --- Going on ---------------------------------------------------------------------------------------------


class _StopAt(Notes):
    """A monitor whose user stops after so many steps of a stage."""

    def __init__(self, stage: str, steps: int) -> None:
        super().__init__()
        self._stage, self._left = stage, steps

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        super().progress(stage, done, total, note)
        self._left -= stage == self._stage and done > 0

    def raise_if_stopped(self) -> None:
        if self._left <= 0:
            raise Interrupted("stopped")


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("scaling", ["standard", "scene-percentile"])
def test_a_stopped_run_goes_on_and_gives_the_same_bytes(
    tmp_path: Path, catalog: Catalog, tree_of: Callable[[Path], dict[str, bytes]], steps: int, scaling: str
):
    config = replace(CONFIG, scaling=scaling)
    prepare_catalog(catalog, tmp_path / "whole", config)
    with pytest.raises(Interrupted):
        prepare_catalog(catalog, tmp_path / "chips", config, monitor=_StopAt("cutting chips", steps))
    assert not (tmp_path / "chips").exists()
    after = _StopAt("never", 1)
    prepare_catalog(catalog, tmp_path / "chips", config, monitor=after)
    assert tree_of(tmp_path / "chips") == tree_of(tmp_path / "whole")


def test_a_run_that_goes_on_says_again_what_was_left_out_before(
    tmp_path: Path, write_raster: WriteRaster, legend: Legend, tree_of: Callable[[Path], dict[str, bytes]]
):
    label = np.full((16, 24), 10, np.uint8)
    label[:, :8] = 0
    catalog = _catalog(write_raster, legend, label=label)
    whole, after = Notes(), Notes()
    prepare_catalog(catalog, tmp_path / "whole", CONFIG, monitor=whole)
    with pytest.raises(Interrupted):
        prepare_catalog(catalog, tmp_path / "chips", CONFIG, monitor=_StopAt("cutting chips", 2))
    prepare_catalog(catalog, tmp_path / "chips", CONFIG, monitor=after)
    assert "6 chip(s) are unlabelled" in str(after.problems)
    assert [str(p) for p in after.problems] == [str(p) for p in whole.problems]
    assert tree_of(tmp_path / "chips") == tree_of(tmp_path / "whole")


def test_the_work_of_another_configuration_is_not_taken_up(tmp_path: Path, catalog: Catalog):
    with pytest.raises(Interrupted):
        prepare_catalog(catalog, tmp_path / "chips", CONFIG, monitor=_StopAt("cutting chips", 1))
    store = prepare_catalog(catalog, tmp_path / "chips", replace(CONFIG, bands="2"))
    assert all_chips(store, "train").images.shape == (6, 1, 8, 8)


def test_the_work_with_another_legend_or_split_of_the_same_name_is_not_taken_up(
    tmp_path: Path, catalog: Catalog, tree_of: Callable[[Path], dict[str, bytes]]
):
    first, *rest = catalog.scenes
    turned = replace(catalog.legend, classes=catalog.legend.classes[::-1])
    for name, other in (
        ("legend", replace(catalog, legend=turned)),
        ("split", replace(catalog, scenes=(replace(first, split="val"), replace(rest[0], split="train"), rest[1]))),
    ):
        prepare_catalog(other, tmp_path / f"{name}-whole", CONFIG)
        with pytest.raises(Interrupted):
            prepare_catalog(catalog, tmp_path / name, CONFIG, monitor=_StopAt("cutting chips", 1))
        prepare_catalog(other, tmp_path / name, CONFIG)
        assert tree_of(tmp_path / name) == tree_of(tmp_path / f"{name}-whole")


def test_the_record_names_files_without_the_folders_of_this_machine(tmp_path: Path, catalog: Catalog):
    (tmp_path / "there").mkdir()
    split = tmp_path / "there" / "split.csv"
    split.write_text("scene,split\na1,train\nb1,val\nc1,test\n")
    config = replace(CONFIG, legend=tmp_path / "there" / "legend.json", split=str(split))
    store = prepare_catalog(catalog, tmp_path / "chips", config)
    assert (store.content["config"]["legend"], store.content["config"]["split"]) == ("legend.json", "split.csv")
    assert str(tmp_path) not in (tmp_path / "chips" / "chips.json").read_text()


# --- Windows of other kinds -------------------------------------------------------------------------------


def test_a_mirrored_edge_repeats_what_is_inside(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    image = np.arange(1, 61, dtype=np.uint16).reshape(1, 6, 10)
    label = np.tile(np.array([10, 10, 20, 20, 20, 35, 35, 10, 10, 20], np.uint8), (6, 1))
    scene = _scene(write_raster, "a1", "train", image=image, label=label)
    chips = all_chips(
        prepare_catalog(Catalog((scene,), legend), tmp_path / "c", replace(CONFIG, edge="mirror")), "train"
    )
    assert len(chips.images) == 2
    assert chips.images[1, 0, 0].tolist() == [9, 10, 10, 9, 8, 7, 6, 5]
    assert chips.images[0, 0, :, 0].tolist() == [1, 11, 21, 31, 41, 51, 51, 41]
    assert chips.valid.all()
    assert chips.labels[1, 7].tolist() == [1, 0, 0, 1, 1, 2, 2, 0]


def test_a_resized_scene_has_the_same_classes_and_coarser_pixels(
    tmp_path: Path, write_raster: WriteRaster, legend: Legend
):
    image = np.repeat(np.repeat(np.array([[[10, 20], [30, 40]]], np.uint16), 8, 1), 8, 2)
    label = np.repeat(np.repeat(np.array([[10, 20], [35, 10]], np.uint8), 8, 0), 8, 1)
    scene = _scene(write_raster, "a1", "train", image=image, label=label)
    store = prepare_catalog(Catalog((scene,), legend), tmp_path / "c", replace(CONFIG, resize_px=8))
    chips = all_chips(store, "train")
    assert chips.images.shape == (1, 1, 8, 8)
    assert chips.images[0, 0, ::5, ::5].tolist() == [[10, 20], [30, 40]]
    assert chips.labels[0, ::5, ::5].tolist() == [[1, 0], [2, 1]]
    assert set(np.unique(chips.labels)) == {0, 1, 2}
    assert store.gsd_m == 20


def test_chips_read_from_the_scenes_are_those_that_were_cut(tmp_path: Path, catalog: Catalog):
    stored = prepare_catalog(catalog, tmp_path / "stored", CONFIG)
    lazy = prepare_catalog(catalog, tmp_path / "lazy", replace(CONFIG, store="scenes"))
    assert not list((tmp_path / "lazy").glob("*.pixels"))
    for split in ("train", "val", "test"):
        a, b = all_chips(stored, split), all_chips(lazy, split)
        assert np.array_equal(a.images, b.images)
        assert np.array_equal(a.valid, b.valid)
        assert np.array_equal(a.labels, b.labels)
    assert [r.sha256 for r in stored.records("train")] == [r.sha256 for r in lazy.records("train")]


def test_windows_drawn_from_a_scene_stay_in_their_room(tmp_path: Path, catalog: Catalog):
    lazy = prepare_catalog(catalog, tmp_path / "lazy", replace(CONFIG, store="scenes"))
    reader = lazy.chips("train")
    whole = open_raster(catalog.scenes[0].image).read(Window(0, 0, 16, 24)).image
    for shift in ((0.0, 0.0), (0.5, 0.3), (0.999, 0.999)):
        found = reader.read(0, shift).image
        row, col = int(shift[0] * 9), int(shift[1] * 17)
        assert np.array_equal(found, whole[:, row : row + 8, col : col + 8])


def test_overlapping_classes_become_planes(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    planes = np.zeros((3, 16, 24), np.uint8)
    planes[0, 2:5, 2:5] = planes[2, 4:9, 4:9] = 1
    planes[1, 0, 0] = 255
    scene = _scene(write_raster, "a1", "train", label=planes)
    catalog = Catalog((scene,), legend, LabelRules(multilabel=True))
    store = prepare_catalog(catalog, tmp_path / "c", replace(CONFIG, multilabel=True))
    first = all_chips(store, "train").labels[0]
    assert first.shape == (3, 8, 8)
    assert first[:, 4, 4].tolist() == [1, 0, 1]
    assert first[:, 0, 0].tolist() == [0, 255, 0]
    assert store.content["class_pixels"]["train"] == {"water": 9, "forest": 0, "built-up": 25}


def test_chips_of_too_little_observed_are_left_out(
    tmp_path: Path, write_raster: WriteRaster, legend: Legend, notes: Notes
):
    image = np.full((1, 8, 16), 7, np.uint16)
    image[:, :5, :8] = 0
    scene = _scene(write_raster, "a1", "train", image=image, label=np.full((8, 16), 10, np.uint8))
    config = replace(CONFIG, max_nodata=0.5)
    store = prepare_catalog(Catalog((scene,), legend), tmp_path / "c", config, monitor=notes)
    assert [r.window.col for r in store.records("train")] == [8]
    assert "1 chip(s) are mostly nodata" in [p.what for p in notes.problems]


# --- Leaks ------------------------------------------------------------------------------------------------


def test_chips_split_one_by_one_are_warned_of(tmp_path: Path, catalog: Catalog, notes: Notes):
    store = prepare_catalog(catalog, tmp_path / "c", replace(CONFIG, split="ratio", ratio="6,3,3"), monitor=notes)
    assert any("neighbors leak" in p.what for p in notes.problems)
    assert store.content["leaks"]["distance_px"] == 0
    assert sum(store.counts.values()) == 18


def test_overlapping_chips_in_two_splits_are_warned_of(tmp_path: Path, catalog: Catalog, notes: Notes):
    config = replace(CONFIG, split="ratio", stride_px=4)
    prepare_catalog(catalog, tmp_path / "c", config, monitor=notes)
    assert any("share pixels with a chip of another split" in p.what for p in notes.problems)


def test_whole_scenes_do_not_leak(tmp_path: Path, catalog: Catalog, notes: Notes):
    store = prepare_catalog(catalog, tmp_path / "c", CONFIG, monitor=notes)
    assert store.content["leaks"] == {"distance_px": None, "overlapping": 0, "shared_groups": [], "shared_images": 0}
    assert not [p for p in notes.problems if p.where == "split"]


def test_a_list_that_names_a_scene_nobody_has_is_refused(tmp_path: Path, catalog: Catalog):
    (tmp_path / "s.csv").write_text("scene,split\na1,train\nb1,val\nc1,test\nd9,test\n")
    with pytest.raises(CatalogError, match=r"names 1 scene\(s\) that the source does not have: d9"):
        prepare_catalog(catalog, tmp_path / "c", replace(CONFIG, split=str(tmp_path / "s.csv")))


def test_lists_in_a_folder_give_the_splits(tmp_path: Path, catalog: Catalog):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/train.txt").write_text("\ufeffc1.tif\na1\n")
    (tmp_path / "lists/val.txt").write_text("b1\n")
    store = prepare_catalog(catalog, tmp_path / "c", replace(CONFIG, split=str(tmp_path / "lists")))
    assert {r.scene for r in store.records("train")} == {"a1", "c1"}


def test_copies_are_dropped_from_training_first(
    tmp_path: Path, write_raster: WriteRaster, legend: Legend, notes: Notes
):
    image = RNG.integers(1, 4000, (2, 16, 24), dtype=np.uint16)
    scenes = tuple(
        _scene(write_raster, name, split, image=image if name in {"a1", "b1", "c1"} else image + int(name[1]))
        for name, split in (("a1", "train"), ("b1", "val"), ("c1", "val"), ("d2", "train"), ("e3", "test"))
    )
    with pytest.raises(CatalogError, match=r"'b1' and 'a1' are the same image in the splits train, val.*--copies drop"):
        prepare_catalog(Catalog(scenes, legend), tmp_path / "c", CONFIG)
    store = prepare_catalog(Catalog(scenes, legend), tmp_path / "c", replace(CONFIG, copies="drop"), monitor=notes)
    assert {(r.scene, s) for s in ("train", "val", "test") for r in store.records(s)} == {
        ("d2", "train"),
        ("b1", "val"),
        ("e3", "test"),
    }
    assert any("2 of 5 scenes are copies" in p.what for p in notes.problems)
    kept = prepare_catalog(Catalog(scenes, legend), tmp_path / "k", replace(CONFIG, copies="keep"))
    assert len(kept.records("train")) == 12


def test_one_image_with_two_lists_of_labels_is_a_copy_all_the_same(
    tmp_path: Path, write_raster: WriteRaster, catalog: Catalog
):
    other = write_raster("other.tif", np.full((16, 24), 10, np.uint8))
    twin = replace(catalog.scenes[0], id="twin", split="val", label=RasterLabel(other))
    both = replace(catalog, scenes=(*catalog.scenes, twin))
    with pytest.raises(CatalogError, match="'twin' and 'a1' are the same image"):
        prepare_catalog(both, tmp_path / "c", CONFIG)


def test_areas_of_one_image_that_were_written_as_rasters_keep_their_splits(
    tmp_path: Path, write_raster: WriteRaster, legend: Legend
):
    image = write_raster("s.tif", np.arange(1, 129, dtype=np.uint16).reshape(1, 8, 16))
    areas = np.zeros((2, 8, 16), np.uint8)
    areas[0, :, :8], areas[1, :, 8:] = 10, 20
    labels = [write_raster(f"{split}.tif", area) for split, area in zip(("train", "val"), areas, strict=True)]
    scenes = [plain_scene(f"s@{p.stem}", image, p, f"s@{p.stem}", p.stem) for p in labels]
    store = prepare_catalog(Catalog(tuple(scenes), legend), tmp_path / "chips", CONFIG)
    assert store.counts == {"train": 1, "val": 1, "test": 0}
    assert store.content["leaks"]["shared_images"] == 1
    areas[1, 7, 7] = 20  # one pixel has a label in both
    write_raster("val.tif", areas[1])
    with pytest.raises(CatalogError, match="are the same image in the splits"):
        prepare_catalog(Catalog(tuple(scenes), legend), tmp_path / "other", CONFIG)


def test_a_scene_that_was_replaced_is_noticed_when_windows_are_read(
    tmp_path: Path, write_raster: WriteRaster, catalog: Catalog
):
    store = prepare_catalog(catalog, tmp_path / "lazy", replace(CONFIG, store="scenes"))
    write_raster("a1/image.tif", np.ones((2, 16, 24), np.uint16), names=["red", "nir"], nodata=0)
    with pytest.raises(ArtefactError, match=r"image\.tif: has other pixels or labels than when"):
        store.chips("train").read(0)
