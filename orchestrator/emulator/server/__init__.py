"""The ways in: sockets, a door within the process, the control surface, and what happens by itself."""
