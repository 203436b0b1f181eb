"""Tests of the journal, and what its tests write into one."""
