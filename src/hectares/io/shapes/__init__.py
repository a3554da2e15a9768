"""Shapes as labels: COCO, well-known text, and vector files in any CRS, burned onto the grid of an image."""
