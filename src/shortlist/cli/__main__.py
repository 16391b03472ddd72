"""`python -m shortlist.cli`: the command line."""

from shortlist.cli.main import main

main()
