"""Pictures: arrays to images, numbers to figures."""
