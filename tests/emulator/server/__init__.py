"""Tests of the ways into the emulator."""
