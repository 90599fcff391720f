"""`python -m dreamcade` is the command `dreamcade`."""

from dreamcade.cli import main

main()
