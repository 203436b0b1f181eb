"""`sgsweep demo`: the real commands, or the real function, against the emulator. It speaks as the command does."""
