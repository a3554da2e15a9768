"""Strings: a thin skin over the verbs."""
