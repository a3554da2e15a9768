"""Networks, losses, augmentation, the segmenter and its training module. Torch, and no raster files."""
