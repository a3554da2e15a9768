"""python -m hectares."""

from hectares.cli.main import main

main()
