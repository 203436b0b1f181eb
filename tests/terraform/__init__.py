"""Tests of the modules, by a real terraform and a stand-in of its provider."""
