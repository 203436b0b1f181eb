"""Tests of packet sets: who reaches which port."""
