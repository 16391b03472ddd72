"""`python -m shortlist.cli`."""

from shortlist.cli.main import main

main()
