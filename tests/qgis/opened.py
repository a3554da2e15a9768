"""What QGIS makes of files, as JSON. Run by the Python that has QGIS: `python3 opened.py request.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsMapLayer,
    QgsMapRendererCustomPainterJob,
    QgsMapSettings,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QImage, QPainter

SIDE_PX = 800


def place(layer: QgsMapLayer) -> dict[str, Any]:
    crs = layer.crs()
    return {"valid": layer.isValid(), "crs": crs.authid(), "proj": crs.toProj(), "has_crs": crs.isValid()}


def drawn(layer: QgsMapLayer, points: list[QgsPointXY]) -> list[str]:
    """Draw a layer on nothing, and give the color at points as #aarrggbb."""
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(layer.extent())
    settings.setOutputSize(QSize(SIDE_PX, SIDE_PX))
    settings.setBackgroundColor(QColor(0, 0, 0, 0))
    image = QImage(SIDE_PX, SIDE_PX, QImage.Format_ARGB32)
    image.fill(0)
    painter = QPainter(image)
    job = QgsMapRendererCustomPainterJob(settings, painter)
    job.renderSynchronously()
    painter.end()
    pixel = settings.mapToPixel()
    found = [pixel.transform(point) for point in points]
    return [image.pixelColor(int(p.x()), int(p.y())).name(QColor.HexArgb) for p in found]


def raster(path: str, points: list[QgsPointXY]) -> dict[str, Any]:
    layer = QgsRasterLayer(path, Path(path).stem)
    classes = [[c.value, c.label, c.color.name(), c.color.alpha()] for c in layer.renderer().classes()]
    dataset = gdal.Open(path)  # kept: a band does not keep it
    band = dataset.GetRasterBand(1)
    table = band.GetDefaultRAT()
    return place(layer) | {
        "renderer": layer.renderer().type(),
        "classes": classes,
        "drawn": drawn(layer, points),
        "names": band.GetCategoryNames(),
        "table": table and [[table.GetValueAsString(r, c) for c in (0, 2)] for r in range(table.GetRowCount())],
    }


def polygons(path: str, points: list[QgsPointXY]) -> dict[str, Any]:
    layer = QgsVectorLayer(path, Path(path).stem, "ogr")
    shapes = [(f["class_id"], f.geometry()) for f in layer.getFeatures()]
    markers = [QgsGeometry.fromPointXY(p) for p in points]
    categories = layer.renderer().categories() if layer.renderer().type() == "categorizedSymbol" else []
    return place(layer) | {
        "renderer": layer.renderer().type(),
        "classes": [[int(c.value()), c.label(), c.symbol().color().name()] for c in categories],
        "codes": [[code for code, shape in shapes if shape.contains(m)] for m in markers],
        "drawn": drawn(layer, points),
    }


def sample(path: str) -> dict[str, Any]:
    layer = QgsVectorLayer(path, Path(path).stem, "ogr")
    choices = layer.editorWidgetSetup(layer.fields().indexOf("label_class"))
    points = [f.geometry().asPoint() for f in layer.getFeatures()]
    labels = layer.labeling().settings()
    return place(layer) | {
        "renderer": layer.renderer().type(),
        "rules": [rule.label() for rule in layer.renderer().rootRule().children()],
        "choices": [name for choice in choices.config().get("map", []) for name in choice],
        "labels": labels.fieldName if layer.labelsEnabled() else None,
        "text": labels.format().color().name(),
        "count": len(points),
    }


def moved(points: list[QgsPointXY], crs: str, layer: str) -> list[QgsPointXY]:
    """Give points in the CRS of a layer; beyond 180 degrees they are on the other side."""
    target = QgsVectorLayer(layer, "", "ogr").crs()
    change = QgsCoordinateTransform(QgsCoordinateReferenceSystem(crs), target, QgsProject.instance())
    found = [change.transform(p) for p in points]
    return [QgsPointXY(p.x() - 360 if layer.endswith(".geojson") and p.x() > 180 else p.x(), p.y()) for p in found]


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    app = QgsApplication([], False)  # noqa: FBT003 - that is its signature
    app.initQgis()
    found: dict[str, Any] = {}
    for name, asked in request.items():
        points = [QgsPointXY(x, y) for x, y in asked["points"]]
        for path in asked["rasters"]:
            found[f"{name}/{Path(path).name}"] = raster(path, points)
        for path in asked["polygons"]:
            found[f"{name}/{Path(path).name}"] = polygons(path, moved(points, asked["crs"], path))
        for path in asked["samples"]:
            found[f"{name}/{Path(path).name}"] = sample(path)
    sys.stdout.write("\nfound:" + json.dumps(found))
    sys.stdout.flush()
    app.exitQgis()


if __name__ == "__main__":
    main()
