"""Tests of the demo: the command and the function, each in a world that foretells how it ends."""
