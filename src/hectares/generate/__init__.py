"""The generated demo scene: a town with exact labels, made from a seed."""

from hectares.generate.town import BANDS, CLASSES, Town, generate_town

__all__ = ["BANDS", "CLASSES", "Town", "generate_town"]
