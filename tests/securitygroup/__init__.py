"""Tests of parsing and of writing back what the API gave."""
