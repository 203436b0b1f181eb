"""Tests of the configuration: what it takes, and what it refuses."""
