"""The tests: one folder for each room that has several, real parts, virtual clocks."""
