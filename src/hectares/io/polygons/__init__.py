"""Polygons of a class map as files that a GIS opens."""
