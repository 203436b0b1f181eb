"""Tests of what exists in the emulator."""
