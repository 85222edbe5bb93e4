"""What earlier versions stored and printed, read by the current code."""
