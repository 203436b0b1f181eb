"""Tests of the emulator, as a product of its own."""
