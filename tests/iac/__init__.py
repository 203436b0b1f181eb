"""Tests of the room that judges code before it is applied."""
