"""The interview plan: its questions, and the validation of plan files."""
