"""Findings: where they are, and how very many are kept."""

from affine import Affine

from hectares.core.grid import Grid
from hectares.doctor.finding import Finding, Ledger, Place, from_error
from hectares.errors import RasterError

UTM = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), (20, 30))


def test_a_pixel_has_a_place_on_earth_where_the_grid_has_a_crs():
    place = Place.of_pixel(UTM, 3, 4)
    assert (place.row, place.col) == (3, 4)
    assert (round(place.lon, 4), round(place.lat, 3)) == (15.0006, 45.153)
    assert Place.of_pixel(Grid(None, Affine.identity(), (5, 5)), 1, 2) == Place(1, 2)


def test_a_point_outside_of_its_crs_has_no_place():
    assert Place.of_point("EPSG:4326", 500_000, 5_000_000) == Place()


def test_a_refusal_is_taken_apart_into_what_and_remedy():
    error = RasterError("a.tif: is empty (0 bytes); a copy; fetch it again")
    finding = from_error("reading", "a.tif", error, scene="a")
    assert (finding.what, finding.remedy) == ("is empty (0 bytes); a copy", "fetch it again")
    assert finding.has_weight
    assert from_error("reading", "a.tif", RasterError("a.tif: is odd")).what == "is odd"


def test_notes_have_no_weight_and_warnings_make_a_result_incomplete():
    assert Finding("a", "note", "f", "x", "y").to_problem().severity == "note"
    assert Finding("a", "warning", "f", "x", "y").to_problem().severity == "incomplete"


def test_of_very_many_findings_the_first_are_kept_and_all_are_counted():
    ledger = Ledger(kept=2)
    ledger.add(Finding("late", "error", str(n), "x", "y") for n in range(5))
    ledger.add([Finding("note", "note", "n", "x", "y")])
    ledger.add([Finding("late", "warning", "w", "x", "y")])
    assert [f.where for f in ledger.findings] == ["0", "1", "w", "n"]
    assert ledger.counts == {("late", "error"): 5, ("note", "note"): 1, ("late", "warning"): 1}
