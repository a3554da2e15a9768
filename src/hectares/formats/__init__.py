"""Data set layouts: one small file each, from a folder as people publish it to a catalog and a legend."""
