"""What is decided, how it is written, and what it would do: over random groups, against a cloud of a few lines."""
