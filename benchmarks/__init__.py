"""Measurements; `make bench` prints the table and writes RESULTS.md."""
