"""Styles that a GIS finds beside a class map."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from hectares.core.legend import Legend, hex_color
from hectares.io.outputs import staged_file


def write_qml(path: Path, legend: Legend) -> None:
    """Write the style that QGIS loads by itself for a raster of the same name: colors and class names."""
    root = ET.Element("qgis", version="3.28", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for c in legend.classes:
        ET.SubElement(palette, "paletteEntry", value=str(c.code), label=c.name, color=hex_color(c.color), alpha="255")
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    with staged_file(path, overwrite=True) as work:
        work.write_text(f"<!DOCTYPE qgis>\n{body}\n", encoding="utf-8")
