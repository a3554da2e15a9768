"""Draws the outlines of polygons over an image.

Usage: python draw_polygons.py IMAGE POLYGONS PICTURE.jpg
"""

import sys

import numpy as np
import pyogrio
import rasterio
import shapely
from PIL import Image, ImageDraw

ZOOM = 2

image, polygons, out = sys.argv[1:]
with rasterio.open(image) as raster:
    pixels = raster.read([1, 2, 3])
    to_pixel = ~raster.transform
low, high = (np.percentile(pixels, q, axis=(1, 2))[:, None, None] for q in (1, 99))
shown = np.clip((pixels - low) / (high - low) * 255, 0, 255).astype(np.uint8)
size = pixels.shape[2] * ZOOM, pixels.shape[1] * ZOOM
picture = Image.fromarray(np.moveaxis(shown, 0, -1)).resize(size, Image.Resampling.BICUBIC)
canvas = ImageDraw.Draw(picture)
_, _, geometry, _ = pyogrio.raw.read(polygons, layer=0)
for polygon in shapely.get_parts(shapely.from_wkb(geometry)):
    for ring in (polygon.exterior, *polygon.interiors):
        cols, rows = to_pixel * tuple(shapely.get_coordinates(ring).T)
        canvas.line(list(zip(cols * ZOOM, rows * ZOOM, strict=True)), fill=(255, 221, 0), width=2)
picture.save(out, quality=85)
