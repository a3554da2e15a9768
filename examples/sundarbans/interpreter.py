"""Plays the interpreter of a sample: labels each point with what a reference raster shows there.

Usage: python interpreter.py SAMPLE.gpkg REFERENCE.tif LABELS.csv
"""

import csv
import sys
from pathlib import Path

import pyogrio
import rasterio

sample, reference, out = map(Path, sys.argv[1:])
meta, _, _, columns = pyogrio.raw.read(sample, layer="points", columns=["id", "row", "col"])
points = dict(zip(meta["fields"], columns, strict=True))
with rasterio.open(reference) as raster:
    codes = raster.read(1)
with out.open("w", newline="", encoding="utf-8") as file:
    table = csv.writer(file)
    table.writerow(["id", "label_code"])
    for number, row, col in zip(points["id"], points["row"], points["col"], strict=True):
        if codes[row, col] > 0:  # 0 is nodata: nobody can tell what is there
            table.writerow([number, codes[row, col]])
