"""The command `sgsweep`."""
