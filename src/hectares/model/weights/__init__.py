"""Weights that others trained: files of them, and how their names and bands become ours."""
