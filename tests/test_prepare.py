"""Catalog to chips."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory import UTM, Notes, WriteRaster
from hectares.config.prepare import PrepareConfig
from hectares.core.legend import Legend
from hectares.core.window import Window
from hectares.errors import ArtefactError, BandError, CatalogError, ConfigError, GridError, InputError
from hectares.io.catalog import Catalog, CatalogScene
from hectares.io.chips import ChipStore
from hectares.monitor import QUIET
from hectares.prepare import _plan_windows, _SceneFacts, prepare_catalog, prepare_chips, prepare_source

CHIP = 8
RNG = np.random.default_rng(11)


def _scene(
    write: WriteRaster, name: str, split: str | None = None, *, shape: tuple[int, int] = (16, 24), **options: object
) -> CatalogScene:
    image = options.pop("image", RNG.integers(1, 4000, (2, *shape), dtype=np.uint16))
    label = RNG.choice(np.array([0, 10, 20, 35, 99], np.uint8), shape)
    return CatalogScene(
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
    return np.concatenate([store.arrays(s).labels for s, n in store.counts.items() if n])


def test_chips_hold_pixels_and_indices_of_their_window(tmp_path: Path, catalog: Catalog, legend: Legend):
    from hectares.io.labels import LabelFile
    from hectares.io.raster import open_raster

    store = prepare_catalog(catalog, tmp_path / "chips", CONFIG)
    assert store.counts == {"train": 6, "val": 6, "test": 6}
    by_id = {s.id: s for s in catalog.scenes}
    for split in store.counts:
        arrays = store.arrays(split)
        for record in store.records(split):
            scene = by_id[record.scene]
            with open_raster(scene.image) as raster:
                chip = raster.read(record.window)
            assert np.array_equal(arrays.images[record.number], chip.image)
            label = LabelFile(scene.label, legend)
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
    arrays = prepare_catalog(Catalog((scene,), legend), tmp_path / "chips", CONFIG).arrays("train")
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
    assert store.arrays("train").labels[0].tolist()[0] == [0] * 7 + [255]


def test_bands_are_chosen_in_order(tmp_path: Path, catalog: Catalog):
    both = prepare_catalog(catalog, tmp_path / "both", CONFIG).arrays("train").images
    turned = prepare_catalog(catalog, tmp_path / "turned", replace(CONFIG, bands="nir,1"))
    assert np.array_equal(turned.arrays("train").images, both[:, ::-1])
    assert turned.stats.names == ("nir", "red")


def test_twelve_constant_bands_keep_their_order(tmp_path: Path, write_raster: WriteRaster, legend: Legend):
    image = np.arange(1, 13, dtype=np.uint16)[:, None, None] * np.ones((8, 8), np.uint16)
    path = write_raster("s2.tif", image)
    label = write_raster("l.tif", np.full((8, 8), 10, np.uint8))
    catalog = Catalog((CatalogScene("a", path, label, "a", "train"),), legend)
    for bands, expected in (("4,3,2", [4, 3, 2]), ("all", list(range(1, 13)))):
        config = replace(CONFIG, bands=bands, split="official")
        store = prepare_catalog(catalog, tmp_path / bands, config)
        assert store.arrays("train").images[0, :, 3, 5].tolist() == expected
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
    assert any("'built-up' has no pixel in the training split" in p.what for p in notes.problems)


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
        scene.label.rename(tmp_path / f"set/labels/{name}.tif")
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
        ("scene,split\na1,train\nb1,val\n", "names no split for scene c1"),
        ("scene,split\na1,dev\n", "'a1' has split 'dev'"),
        ("name,split\na1,train\n", "expected scene"),
    ],
)
def test_what_is_wrong_with_a_split_csv_is_named(tmp_path: Path, catalog: Catalog, text: str, message: str):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(CatalogError, match=message):
        prepare_catalog(catalog, tmp_path / "chips", replace(CONFIG, split=str(tmp_path / "s.csv")))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shapes=st.lists(st.tuples(st.integers(30, 90), st.integers(30, 90)), min_size=1, max_size=3),
    chip=st.integers(2, 9),
    stride=st.integers(1, 12),
    blocks=st.integers(1, 3),
    edge=st.sampled_from(["pad", "shift", "drop"]),
    seed=st.integers(0, 5),
)
def test_block_splits_share_no_pixel_and_no_block(
    legend: Legend, shapes: list[tuple[int, int]], chip: int, stride: int, blocks: int, edge: str, seed: int
):
    block_px = chip * blocks
    config = PrepareConfig(chip_px=chip, stride_px=stride, edge=edge, split="block", block_px=block_px, seed=seed)
    scenes = tuple(CatalogScene(str(n), Path("i"), Path("l"), "g") for n in range(len(shapes)))
    facts = [_SceneFacts(shape, ("a",), "uint8", None) for shape in shapes]
    try:
        plan = _plan_windows(Catalog(scenes, legend), facts, config, QUIET)
    except CatalogError:
        return  # too few blocks hold a chip, which is refused
    for planned, shape in zip(plan, shapes, strict=True):
        owner = np.zeros((shape[0] + 40, shape[1] + 40), int)
        block_owner: dict[tuple[int, int], set[str]] = {}
        for item in planned:
            bit = {"train": 1, "val": 2, "test": 4}[item.split]
            owner[item.window.slices] |= bit
            block_owner.setdefault((item.window.row // block_px, item.window.col // block_px), set()).add(item.split)
        assert set(np.unique(owner)) <= {0, 1, 2, 4}
        assert all(len(splits) == 1 for splits in block_owner.values())
    assert {i.split for planned in plan for i in planned} == {"train", "val", "test"}


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
        replace(s, label=write_raster(f"{s.id}/label.png", np.full((16, 24), 10, np.uint8))) for s in catalog.scenes
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
    with pytest.raises(CatalogError, match="no training chip has a labelled pixel"):
        prepare_catalog(catalog, tmp_path / "chips", CONFIG)


def test_the_data_set_itself_is_never_replaced(tmp_path: Path, catalog: Catalog):
    with pytest.raises(ArtefactError, match=r"holds image\.tif, an input|has no chips\.json"):
        prepare_catalog(catalog, tmp_path / "a1", CONFIG, overwrite=True)
    assert all(s.image.exists() and s.label.exists() for s in catalog.scenes)


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
    store = prepare_catalog(catalog, tmp_path / "chips", replace(CONFIG, limit=1))
    assert store.counts == {"train": 6, "val": 0, "test": 0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"chip_px": 0}, "--chip-px is 0"),
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
    assert (store.arrays("train").valid == 1).sum() == 15


def test_one_image_in_two_splits_is_refused_by_name(tmp_path):
    from hectares.core.grid import Grid
    from hectares.io.artefact import dump_json
    from hectares.io.scene_file import write_scene

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
    with pytest.raises(CatalogError, match="'a' and 'copy' are the same image in the splits test, train"):
        prepare_chips(tmp_path / "catalog.json", tmp_path / "chips", PrepareConfig(chip_px=4))
