"""Tests of what the products of the emulator share."""
