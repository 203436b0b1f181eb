"""Tests of the one reader of groups and rules."""
