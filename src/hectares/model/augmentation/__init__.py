"""Random changes of image and label together."""
