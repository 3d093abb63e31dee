"""`python -m config` is `termin`."""

from config.cli import main

main()
