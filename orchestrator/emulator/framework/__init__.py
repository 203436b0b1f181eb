"""What every product has in common: the way of a call from the wire to its answer, and what can go wrong on it."""
