"""Raster files: the door for reading, scenes of several files, and what we write."""
