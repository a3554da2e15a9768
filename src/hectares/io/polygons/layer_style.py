"""The style that a GeoPackage carries inside: QGIS opens the layer in the colors of the legend."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from xml.etree import ElementTree as ET

from hectares.core.legend import Legend

GPKG_VERSION = "1.2"
"""Of GeoPackages: GIS that people still use warn of the newest, and nothing of it is needed."""
_TABLE = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY, f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
  f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN,
  description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME
)"""


def class_style(legend: Legend) -> str:
    """Give the QML of a vector layer whose field `class_id` holds the codes of a legend."""
    root = ET.Element("qgis", version="3.28", styleCategories="Symbology")
    add_categories(root, legend)
    ET.indent(root)
    return f"<!DOCTYPE qgis>\n{ET.tostring(root, encoding='unicode')}\n"


def add_categories(root: ET.Element, legend: Legend) -> None:
    """Add what QGIS draws polygons with: a category a class, with a border that does not hide small ones."""
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr="class_id", symbollevels="0")
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    for i, c in enumerate(legend.classes):
        ET.SubElement(categories, "category", render="true", symbol=str(i), value=str(c.code), label=c.name)
        symbol = ET.SubElement(symbols, "symbol", type="fill", name=str(i), alpha="0.7", clip_to_extent="1")
        layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "pass": "0", "locked": "0"})
        options = ET.SubElement(layer, "Option", type="Map")
        red, green, blue = c.color
        dark = ",".join(str(v // 2) for v in c.color)
        values = {"color": f"{red},{green},{blue},255", "outline_color": f"{dark},255", "outline_style": "solid"}
        values |= {"outline_width": "0.1", "outline_width_unit": "MM", "style": "solid"}
        for name, value in values.items():
            ET.SubElement(options, "Option", type="QString", name=name, value=value)


def add_style(path: Path, layer: str, legend: Legend, date: str) -> None:
    """Write the style into a GeoPackage, as the default of its layer; `date` is what its clock shall say."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            connection.execute(_TABLE)
            connection.execute(
                "INSERT INTO layer_styles VALUES (1, '', '', ?, 'geom', ?, ?, NULL, 1, '', '', NULL, ?)",
                (layer, "classes", class_style(legend), date),
            )
            connection.execute(
                "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id) "
                "VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?, 0)",
                (date,),
            )
    finally:
        connection.close()
