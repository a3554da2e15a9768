"""Objects of two files, as they are compared with each other."""
