"""Styles and tables that a GIS finds beside a class map: colors, class names, and how many pixels each class has.

    map.qml           QGIS loads it by itself, for the map and for polygons of the same name
    map.sld           GeoServer; SLD 1.0, as servers read the color maps of 1.1 differently. QGIS reads none for rasters
    map.clr           ArcGIS and GRASS: code, red, green, blue
    map.tif.aux.xml   GDAL, ArcGIS and GeoServer: raster attribute table, and names by code

All of it follows from the legend and the counts of pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

from hectares.core.grid import parse_crs
from hectares.core.legend import Legend, hex_color
from hectares.io.polygons.layer_style import add_categories

_SLD = "http://www.opengis.net/sld"
# Columns of a raster attribute table: name, type (0 of 32 bits, 1 real, 2 text), usage (GDALRATFieldUsage). Counts are
# real, because they may need more than 32 bits.
_COLUMNS = (
    ("Value", 0, 5), ("Count", 1, 1), ("ClassName", 2, 2), ("R", 0, 6), ("G", 0, 7), ("B", 0, 8),
)  # fmt: skip


def qml_text(legend: Legend) -> str:
    """Give the style that QGIS loads by itself for a raster or a file of polygons of the same name."""
    root = _paletted((c.code, c.name, hex_color(c.color), 255) for c in legend.classes)
    add_categories(root, legend)
    return f"<!DOCTYPE qgis>\n{_indented(root)}\n"


def mask_qml_text(off: str, on: str, color: str) -> str:
    """Give the style of a mask for QGIS: 1 in a color, 0 transparent, so that it can lie over a scene.

    >>> [line.strip() for line in mask_qml_text("dry", "wet", "#0000ff").splitlines() if "paletteEntry" in line][-1]
    '<paletteEntry value="1" label="wet" color="#0000ff" alpha="255" />'
    """
    return f"<!DOCTYPE qgis>\n{_indented(_paletted([(0, off, '#ffffff', 0), (1, on, color, 255)]))}\n"


def _paletted(entries: Iterable[tuple[int, str, str, int]]) -> ET.Element:
    """Give the style of a raster whose values have a name, a color and an opacity of 0 to 255."""
    root = ET.Element("qgis", version="3.28", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for value, label, color, alpha in entries:
        ET.SubElement(palette, "paletteEntry", value=str(value), label=label, color=color, alpha=str(alpha))
    return root


def sld_text(legend: Legend, name: str) -> str:
    """Give the style of a map called `name` as Styled Layer Descriptor 1.0; what is not a class is transparent."""
    root = ET.Element("StyledLayerDescriptor", version="1.0.0", xmlns=_SLD)
    layer = ET.SubElement(root, "NamedLayer")
    ET.SubElement(layer, "Name").text = name
    style = ET.SubElement(layer, "UserStyle")
    ET.SubElement(style, "Name").text = name
    rule = ET.SubElement(ET.SubElement(style, "FeatureTypeStyle"), "Rule")
    symbolizer = ET.SubElement(rule, "RasterSymbolizer")
    ET.SubElement(symbolizer, "Opacity").text = "1.0"
    colors = ET.SubElement(symbolizer, "ColorMap", type="values")
    for c in legend.classes:
        ET.SubElement(
            colors, "ColorMapEntry", color=hex_color(c.color), quantity=str(c.code), label=c.name, opacity="1.0"
        )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_indented(root)}\n'


def clr_text(legend: Legend) -> str:
    """Give the colors by code as ESRI writes them.

    >>> from hectares.core.legend import LandClass
    >>> print(clr_text(Legend((LandClass(20, "water", (10, 20, 200)), LandClass(3, "wood", (0, 90, 0))))), end="")
    3 0 90 0
    20 10 20 200
    """
    classes = sorted(legend.classes, key=lambda c: c.code)
    return "".join(f"{c.code} {c.color[0]} {c.color[1]} {c.color[2]}\n" for c in classes)


def attribute_table_text(legend: Legend, pixels: Mapping[int, int], *, crs: str | None = None) -> str:
    """Give the raster attribute table as GDAL keeps it beside a raster; `pixels` counts them by code.

    `crs` is for a raster that has no place for it inside.
    """
    classes = sorted(legend.classes, key=lambda c: c.code)
    root = ET.Element("PAMDataset")
    if crs is not None:
        ET.SubElement(root, "SRS").text = parse_crs(crs).to_wkt()
    band = ET.SubElement(root, "PAMRasterBand", band="1")
    names = ET.SubElement(band, "CategoryNames")
    by_code = {c.code: c.name for c in classes}
    for code in range(classes[-1].code + 1):
        ET.SubElement(names, "Category").text = by_code.get(code, "")
    table = ET.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(_COLUMNS):
        column = ET.SubElement(table, "FieldDefn", index=str(index))
        for tag, text in (("Name", name), ("Type", kind), ("Usage", usage)):
            ET.SubElement(column, tag).text = str(text)
    for index, c in enumerate(classes):
        row = ET.SubElement(table, "Row", index=str(index))
        for value in (c.code, pixels.get(c.code, 0), c.name, *c.color):
            ET.SubElement(row, "F").text = str(value)
    return f"{_indented(root)}\n"


def shown_classes(path: Path) -> dict[int, tuple[str, str]] | None:
    """Read which name and color a .qml or .aux.xml gives to which code; None where it tells nothing of that kind."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if "<!ENTITY" in text:
        return None
    try:
        root = ET.fromstring(text)  # noqa: S314 - entities, the danger of it, are refused above
        entries = {int(e.attrib["value"]): (e.attrib["label"], e.attrib["color"]) for e in root.iter("paletteEntry")}
        for row in root.iter("Row"):
            code, _, name, *color = (cell.text or "" for cell in row.iter("F"))
            entries[int(code)] = name, hex_color((int(color[0]), int(color[1]), int(color[2])))
    except (ET.ParseError, KeyError, ValueError, IndexError):
        return None
    return entries or None


def _indented(root: ET.Element) -> str:
    ET.indent(root)
    return ET.tostring(root, encoding="unicode")
