"""Nouns and arithmetic: values on small arrays. No files, no torch."""
