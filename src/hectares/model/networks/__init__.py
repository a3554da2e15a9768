"""The networks of publications, one readable file each."""
