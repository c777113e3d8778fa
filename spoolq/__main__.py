"""`python -m spoolq`."""

from spoolq.cli import main

main()
