"""The command as its users run it: real processes in a folder, against an emulator that is a process of its own."""
