"""Tests of the judgement, against an oracle too."""
