"""Files: rasters, vectors, chips and artefacts. One door in, one door out. No torch."""
