"""The journal as a file of the run folder; what is read and written is `interface`'s to say."""
