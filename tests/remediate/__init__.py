"""Changes carried out against the emulator, over sockets, and judged by its own record alone."""
