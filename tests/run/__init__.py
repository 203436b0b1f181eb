"""The functions behind the commands, over real sockets."""
