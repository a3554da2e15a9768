"""How a GIS shows the points of a sample, and asks for their labels: a style kept inside the GeoPackage."""

from __future__ import annotations

import sqlite3
from xml.etree import ElementTree as ET

from hectares.core.legend import Legend

_TABLE = """CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME)"""
_REGISTERED = """INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id)
    VALUES ('layer_styles', 'attributes', 'layer_styles', '', 0)"""
_ROW = """INSERT INTO layer_styles VALUES
    (1, '', '', 'points', 'geom', 'points', ?, '', 1, 'Reference points', '', NULL, '1970-01-01T00:00:00.000Z')"""


def add_style(database: sqlite3.Connection, legend: Legend) -> None:
    """Add the style that QGIS loads by itself: points with their numbers, and the classes to choose from."""
    database.execute(_TABLE)
    database.execute(_REGISTERED)
    database.execute(_ROW, (_qml(legend),))


def _qml(legend: Legend) -> str:
    root = ET.Element("qgis", version="3.28", styleCategories="Symbology|Labeling|Fields|Forms", labelsEnabled="1")
    _add_widget(root, legend)
    renderer = ET.SubElement(root, "renderer-v2", type="RuleRenderer")
    rules = ET.SubElement(renderer, "rules", key="points")
    ET.SubElement(rules, "rule", key="open", symbol="0", label="to label", filter='"label_class" IS NULL')
    ET.SubElement(rules, "rule", key="done", symbol="1", label="labelled", filter="ELSE")
    symbols = ET.SubElement(renderer, "symbols")
    for name, color in (("0", "255,200,0,255"), ("1", "120,120,120,255")):
        symbol = ET.SubElement(symbols, "symbol", name=name, type="marker", alpha="1")
        for rim, width in (("0,0,0,255", "1.1"), (color, "0.5")):  # dark around light, to be seen on any scene
            layer = ET.SubElement(
                symbol, "layer", {"class": "SimpleMarker", "enabled": "1", "locked": "0", "pass": "0"}
            )
            options = ET.SubElement(layer, "Option", type="Map")
            style = {"name": "circle", "color": "0,0,0,0", "outline_color": rim, "outline_width": width, "size": "3.2"}
            for key, value in style.items():
                ET.SubElement(options, "Option", name=key, value=value, type="QString")
    labeling = ET.SubElement(root, "labeling", type="simple")
    settings = ET.SubElement(labeling, "settings")
    text = ET.SubElement(settings, "text-style", fieldName="id", fontSize="9", textColor="255,200,0,255")
    text.attrib |= {"fontWeight": "75", "namedStyle": "Bold"}
    ET.SubElement(text, "text-buffer", bufferDraw="1", bufferSize="0.4", bufferColor="0,0,0,255")
    ET.SubElement(settings, "placement", placement="6", dist="1.5")
    return f"<!DOCTYPE qgis>\n{ET.tostring(root, encoding='unicode')}\n"


def _add_widget(root: ET.Element, legend: Legend) -> None:
    fields = ET.SubElement(root, "fieldConfiguration")
    choices = {"label_class": legend.names, "confidence": ("sure", "unsure")}
    for field, values in choices.items():
        widget = ET.SubElement(ET.SubElement(fields, "field", name=field), "editWidget", type="ValueMap")
        config = ET.SubElement(ET.SubElement(widget, "config"), "Option", type="Map")
        entries = ET.SubElement(config, "Option", name="map", type="List")
        for value in values:
            entry = ET.SubElement(entries, "Option", type="Map")
            ET.SubElement(entry, "Option", name=value, value=value, type="QString")
