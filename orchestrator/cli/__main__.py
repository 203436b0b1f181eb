"""`python -m orchestrator.cli`: the command, for a machine on which it is not on the path."""

from orchestrator.cli import main

main()
