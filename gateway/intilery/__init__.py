"""The destination: its contract, a client, and a faithful stand-in."""
