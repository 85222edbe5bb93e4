"""`make demo`: a whole spoken interview on this machine."""
