"""The door for vector files: every kind, and everything that pretends to be one."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from hectares.errors import MissingExtraError, VectorError
from hectares.io.shapes.vectors import read_layer
from layouts.vectors import box, moved, write_geojson, write_geoparquet, write_ogr

A, B = box(0, 0, 4, 6), box(8, 8, 10, 9)
TEXTS = ["NA", "007", "None"]
VRT = '<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>{}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
DRIVERS = [("GPKG", "gpkg"), ("FlatGeobuf", "fgb"), ("ESRI Shapefile", "shp"), ("GeoJSON", "geojson")]


def _write(path: Path, driver: str) -> Path:
    crs = "EPSG:4326" if driver == "GeoJSON" else "EPSG:32633"
    shapes = moved([A, B, A], crs)
    return write_ogr(path, shapes, {"kind": TEXTS, "n": [1, 2, 3]}, driver=driver, crs=crs)


@pytest.mark.parametrize(("driver", "suffix"), DRIVERS)
def test_text_stays_text_and_numbers_stay_whole(tmp_path: Path, driver: str, suffix: str):
    layer = read_layer(_write(tmp_path / f"a.{suffix}", driver))
    pairs = zip(layer.attributes["kind"], layer.attributes["n"], strict=True)
    assert sorted(pairs, key=lambda p: p[1]) == [("NA", 1), ("007", 2), ("None", 3)]
    assert all(type(n) is int for n in layer.attributes["n"])
    assert layer.name == "a"
    assert layer.fields == ("kind", "n")


def test_null_is_none_and_a_whole_column_with_nulls_stays_whole(tmp_path: Path):
    left, right = shapely.box(0, 0, 1, 1), shapely.box(2, 0, 3, 1)
    values = {"n": 5, "x": 0.5, "t": ""}
    path = write_geojson(tmp_path / "a.geojson", [(left, values), (right, dict.fromkeys(values))])
    layer = read_layer(path)
    assert layer.attributes == {"n": (5, None), "x": (0.5, None), "t": ("", None)}
    assert layer.lacking("t") == (0, 1)


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "json", "shp", "fgb", "parquet"])
def test_a_vrt_under_another_name_is_not_opened(tmp_path: Path, suffix: str):
    secret = _write(tmp_path / "secret.gpkg", "GPKG")
    vrt = VRT.format(secret)
    path = tmp_path / f"a.{suffix}"
    path.write_text(vrt)
    assert pyogrio.read_info(path)["features"] == 3  # the library would
    with pytest.raises(VectorError, match=r"is a VRT, which refers to other files.*ogr2ogr"):
        read_layer(path)


def test_json_that_holds_the_text_of_a_vrt_is_read_as_json(tmp_path: Path):
    secret = _write(tmp_path / "secret.gpkg", "GPKG")
    vrt = VRT.format(secret).replace('"', "'")
    path = tmp_path / "a.geojson"
    path.write_text(f'{{"type": "FeatureCollection", "features": [], "note": "{vrt}"}}')
    assert pyogrio.read_info(path)["driver"] == "OGR_VRT"  # the library would
    assert read_layer(path).geometries == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer, not the vector file itself"),
        (b"PK\x03\x04....", "is a zip archive, which is not read; unpack it first"),
        (b'<?xml version="1.0"?><kml xmlns="x">', "save it as a GeoPackage"),
        (b"<gml:FeatureCollection>", "is GML"),
        (b"id;wkt\n", "is not a vector file"),
        (b'{"type": "FeatureCollection", "features": [', "cannot be read as a vector file"),
        (b'{"type": "Topology", "objects": {}}', "cannot be read as a vector file"),
        (b"PAR1 cut", "is damaged"),
        (b"fgb\x03fgb\x00 cut", "has no layer with geometries"),
        (b"SQLite format 3\x00 cut", "is damaged"),
    ],
)
def test_what_is_no_vector_file_is_named(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "a.gpkg"
    path.write_bytes(content)
    with pytest.raises(VectorError, match=message):
        read_layer(path)


def test_gml_is_refused_and_nothing_is_written_beside_it(tmp_path: Path):
    path = tmp_path / "a.gml"
    path.write_text('<?xml version="1.0"?><ogr:FeatureCollection xmlns:ogr="http://ogr.maptools.org/"/>')
    with pytest.raises(VectorError, match="save it as a GeoPackage"):
        read_layer(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.gml"]


@pytest.mark.parametrize(
    "name", ["/vsicurl/http://127.0.0.1:9/a.gpkg", "https://127.0.0.1:9/a.geojson", "/vsimem/a.gpkg", "PG:dbname=x"]
)
def test_only_local_files_are_opened(name: str):
    with pytest.raises(VectorError, match="only local files are read"):
        read_layer(Path(name))


def test_folders_and_pipes_are_refused_at_once(tmp_path: Path):
    (tmp_path / "a.gdb").mkdir()
    with pytest.raises(VectorError, match="is a folder; expected a GeoPackage"):
        read_layer(tmp_path / "a.gdb")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "a.geojson")
        with pytest.raises(VectorError, match="is a named pipe, not a regular file"):
            read_layer(tmp_path / "a.geojson")


@pytest.mark.parametrize("name", ["a b.gpkg", "ä.gpkg", "a#b.gpkg", "a:b.gpkg", "a!b.geojson", "a;b.geojson"])
def test_odd_names_are_read(tmp_path: Path, name: str):
    driver = "GPKG" if name.endswith("gpkg") else "GeoJSON"
    plain = _write(tmp_path / f"plain{Path(name).suffix}", driver)
    plain.rename(tmp_path / name)
    assert len(read_layer(tmp_path / name).geometries) == 3


def test_a_name_that_means_an_archive_to_the_library_is_refused(tmp_path: Path):
    plain = _write(tmp_path / "plain.gpkg", "GPKG")
    plain.rename(tmp_path / "a!b.gpkg")
    with pytest.raises(VectorError, match="rename it"):
        read_layer(tmp_path / "a!b.gpkg")


# --- GeoPackage -------------------------------------------------------------------------------------------


def test_a_geopackage_in_wal_mode_is_read_without_a_trace(tmp_path: Path):
    path = _write(tmp_path / "a.gpkg", "GPKG")
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode=wal")
    database.close()
    before = path.read_bytes()
    tmp_path.chmod(0o555)
    try:
        assert len(read_layer(path).geometries) == 3
    finally:
        tmp_path.chmod(0o755)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.gpkg"]


def test_a_geopackage_that_another_program_has_open_is_read_as_it_is_now(tmp_path: Path):
    path = _write(tmp_path / "a.gpkg", "GPKG")
    other = sqlite3.connect(path)
    other.execute("PRAGMA journal_mode=wal")
    other.execute("DROP TRIGGER IF EXISTS rtree_a_geom_delete")
    other.execute("DELETE FROM a WHERE n = 2")
    other.commit()
    listed = {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.endswith("-shm")}
    assert "a.gpkg-wal" in listed
    assert read_layer(path).attributes["n"] == (1, 3)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.endswith("-shm")} == listed
    other.close()


def test_a_database_that_is_no_geopackage_is_refused(tmp_path: Path):
    with sqlite3.connect(tmp_path / "a.sqlite") as database:
        database.execute("CREATE TABLE t (i)")
    database.close()
    with pytest.raises(VectorError, match="no GeoPackage"):
        read_layer(tmp_path / "a.sqlite")


# --- Shapefile --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "message"),
    [(".dbf", r"lacks a\.dbf \(the attributes\)"), (".shx", r"lacks a\.shx \(the index\)"), (".prj", "has no CRS")],
)
def test_a_missing_part_of_a_shapefile_is_named(tmp_path: Path, part: str, message: str):
    path = _write(tmp_path / "a.shp", "ESRI Shapefile")
    path.with_suffix(part).unlink()
    with pytest.raises(VectorError, match=message):
        read_layer(path)


def test_a_crs_given_by_hand_stands_in_for_a_missing_prj_only(tmp_path: Path):
    path = _write(tmp_path / "a.shp", "ESRI Shapefile")
    assert read_layer(path, crs="EPSG:3857").crs == "EPSG:32633"
    path.with_suffix(".prj").unlink()
    assert read_layer(path, crs="EPSG:32633").crs == "EPSG:32633"


def test_the_other_parts_of_a_shapefile_are_no_layer(tmp_path: Path):
    path = _write(tmp_path / "a.shp", "ESRI Shapefile")
    with pytest.raises(VectorError, match=r"give its \.shp"):
        read_layer(path.with_suffix(".dbf"))


@pytest.mark.parametrize(("suffix", "driver"), [("gpkg", "GPKG"), ("geojson", "GeoJSON"), ("fgb", "FlatGeobuf")])
def test_a_file_whose_name_is_no_text_is_refused(tmp_path: Path, suffix: str, driver: str):
    path = _write(tmp_path / f"a.{suffix}", driver)
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/w\xe4." + suffix.encode())
    path.rename(strange)
    with pytest.raises(VectorError, match="the name of the file or of its folder is not UTF-8; rename it"):
        read_layer(Path(strange))


@pytest.mark.parametrize(
    ("suffix", "driver", "message"),
    [("gpkg", "GPKG", "holds a layer whose name is not UTF-8"), ("fgb", "FlatGeobuf", "holds text that is not UTF-8")],
)
def test_a_layer_whose_name_is_no_text_is_refused(tmp_path: Path, suffix: str, driver: str, message: str):
    path = write_ogr(tmp_path / f"a.{suffix}", [shapely.box(0, 0, 1, 1)], driver=driver, layer="waXld")
    path.write_bytes(path.read_bytes().replace(b"waXld", b"wa\xe4ld"))
    with pytest.raises(VectorError, match=message):
        read_layer(path)


def test_text_in_another_encoding_is_named(tmp_path: Path):
    path = write_geojson(tmp_path / "a.geojson", [(shapely.box(0, 0, 1, 1), {"kind": "Strasse"})])
    path.write_bytes(path.read_bytes().replace(b"Strasse", b"Stra\xdfe"))
    with pytest.raises(VectorError, match="is not UTF-8"):
        read_layer(path)


# --- GeoParquet -------------------------------------------------------------------------------------------


def test_geoparquet_is_read_with_its_crs(tmp_path: Path):
    import pyproj

    path = write_geoparquet(
        tmp_path / "a.parquet", [A, None, B], {"kind": ["NA", "x", None], "n": [1, 2, 3]},
        crs=pyproj.CRS("EPSG:32633").to_json_dict(),
    )  # fmt: skip
    layer = read_layer(path)
    assert layer.crs == "EPSG:32633"
    assert layer.attributes == {"kind": ("NA", None), "n": (1, 3)}
    assert layer.ids == (0, 2)
    assert layer.geometries[1].equals(B)
    assert layer.fields == ("kind", "n")


def test_geoparquet_without_a_crs_is_longitude_and_latitude(tmp_path: Path):
    path = write_geoparquet(tmp_path / "a.parquet", moved([A], "EPSG:4326"), {"n": [1]})
    assert read_layer(path).crs == "OGC:CRS84"


def test_geoparquet_whose_crs_is_unknown_needs_one(tmp_path: Path):
    path = write_geoparquet(tmp_path / "a.parquet", [A], {"n": [1]}, crs=None)
    with pytest.raises(VectorError, match="has no CRS"):
        read_layer(path)
    assert read_layer(path, crs="EPSG:32633").geometries[0].equals(A)


def test_geoparquet_of_another_encoding_is_refused(tmp_path: Path):
    path = write_geoparquet(tmp_path / "a.parquet", [A], {"n": [1]}, encoding="polygon")
    with pytest.raises(VectorError, match="write them as WKB"):
        read_layer(path)


def test_parquet_without_geometry_is_refused(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"n": [1]}), tmp_path / "a.parquet")
    with pytest.raises(VectorError, match="without `geo` metadata"):
        read_layer(tmp_path / "a.parquet")


def test_without_pyarrow_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_geoparquet(tmp_path / "a.parquet", [A], {"n": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hectares\[parquet\]'"):
        read_layer(path)


def test_only_the_attributes_asked_for_are_read(tmp_path: Path):
    for path in (
        _write(tmp_path / "a.gpkg", "GPKG"),
        write_geoparquet(tmp_path / "a.parquet", [A], {"kind": ["x"], "n": [np.int64(1)]}, crs=None),
    ):
        layer = read_layer(path, columns=["n"], crs="EPSG:32633")
        assert list(layer.attributes) == ["n"]
        assert layer.fields == ("kind", "n")
