"""Tests of the one room that knows HTTP: limits, retries, signatures."""
