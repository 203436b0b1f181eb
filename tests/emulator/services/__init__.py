"""Tests of the products of the emulator, by their official clients too."""
