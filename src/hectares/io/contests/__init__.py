"""Files that contests take: written from class maps, and checked strictly."""
