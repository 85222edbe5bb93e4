"""`make demo`: a complete voice interview on this machine."""
