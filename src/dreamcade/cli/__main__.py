"""`python -m dreamcade.cli`, where the command `dreamcade` is not on the path."""

from dreamcade.cli import main

main()
