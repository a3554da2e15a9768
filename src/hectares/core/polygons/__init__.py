"""Objects of a class map as outlines: exact, joined over strips, measured, proved."""
