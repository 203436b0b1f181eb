"""Tests of evidence: who opened a door, who uses it, what stands behind it."""
