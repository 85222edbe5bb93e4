"""The plan's own words, in place of a language model."""
