"""Chips: cut from scenes, stored, and read back."""
