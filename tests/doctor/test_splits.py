"""Splits: what one lacks, and what meets across them."""

from pathlib import Path

import numpy as np
import pytest

from factory import plain_scene
from hectares.doctor.splits import Footprints, find_absent, find_shared_groups, note_distances
from hectares.io.catalog import Catalog

UTM = "EPSG:32633"


def catalog(legend, *scenes):
    return Catalog(tuple(plain_scene(n, Path(f"{n}.tif"), Path(f"{n}_l.tif"), g, s) for n, g, s in scenes), legend)


def said(findings):
    return [(f.check, f.what) for f in findings]


def test_a_class_that_a_split_lacks_is_named():
    pixels = {"train": [5, 0, 3, 9], "val": [1, 2, 0, 0], "test": [1, 1, 0, 1]}
    assert said(find_absent("x", pixels, ["a", "b", "c", "d"])) == [
        ("classes", "class 'b' has no pixel in training"),
        ("classes", "class 'c' has no pixel in val and test"),
        ("classes", "class 'd' has no pixel in val"),
    ]


def test_classes_without_a_pixel_anywhere_are_one_finding():
    (finding,) = find_absent("x", {"all": [5, 0, 3, 0]}, ["a", "b", "c", "d"])
    assert (finding.what, finding.count) == ("2 classes have no pixel: b, d", 2)


def test_labels_of_one_class_only_are_told():
    assert ("classes", "all labels are 'a'") in said(find_absent("x", {"all": [5, 0]}, ["a", "b"]))


def test_imbalance_is_a_note_with_its_ratio():
    (finding,) = find_absent("x", {"train": [10_000, 20]}, ["a", "b"])
    assert (finding.severity, finding.what) == ("note", "'a' has 500 times the pixels of 'b'")
    assert not list(find_absent("x", {"train": [1000, 20]}, ["a", "b"]))


def test_without_labels_nothing_is_said_of_classes():
    assert not list(find_absent("x", {}, ["a"]))
    assert not list(find_absent("x", {"all": [0, 0]}, ["a", "b"]))


def test_a_group_in_two_splits_is_named(legend):
    found = catalog(legend, ("a", "g", "train"), ("b", "g", "val"), ("c", "h", "val"), ("d", "i", None))
    (finding,) = find_shared_groups("x", found)
    assert (finding.check, finding.count) == ("groups in splits", 1)
    assert finding.what.endswith(": g")


def test_scenes_of_two_splits_on_the_same_ground_are_named_with_the_place(legend):
    found = catalog(legend, ("a", "a", "train"), ("b", "b", "val"), ("c", "c", "train"))
    bounds = np.array(
        [[4e5, 5e6, 4e5 + 100, 5e6 + 100], [4e5 + 50, 5e6, 4e5 + 150, 5e6 + 100], [4e5, 5e6, 4e5 + 90, 5e6 + 9]]
    )
    findings = list(Footprints(found, [UTM] * 3, bounds).overlaps())
    assert [(f.scene, f.severity) for f in findings] == [("a", "error"), ("b", "error")]
    assert findings[0].what == "covers the ground of b (train and val) by 50%"
    assert findings[0].place.lon == pytest.approx(13.726, abs=0.01)


def test_neighbors_do_not_overlap_and_their_distance_is_zero(legend):
    found = catalog(legend, ("a", "a", "train"), ("b", "b", "val"), ("c", "c", "test"))
    bounds = np.array([[0, 0, 100, 100], [100, 0, 200, 100], [500, 0, 600, 100]]) + 400_000.0
    footprints = Footprints(found, [UTM] * 3, bounds)
    assert not list(footprints.overlaps())
    distances = footprints.distances_m()
    assert distances == {"train and val": 0, "train and test": 400, "val and test": 300}
    (note,) = note_distances("x", distances, 10)
    assert note.what == "scenes of train and val lie side by side"


def test_scenes_without_a_place_or_split_are_left_out(legend):
    found = catalog(legend, ("a", "a", "train"), ("b", "b", "val"), ("c", "c", None))
    footprints = Footprints(found, [UTM, None, UTM], np.array([[0, 0, 1, 1], [np.nan] * 4, [0, 0, 1, 1]]))
    assert not list(footprints.overlaps())
    assert footprints.distances_m() == {}
