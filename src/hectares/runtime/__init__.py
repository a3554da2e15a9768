"""Forward passes behind one Protocol: what runs a segmenter on a batch of tiles."""
