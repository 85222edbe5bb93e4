"""The language model: its prompt, its reply, and the checks of its words."""
