"""OpenAI, or a compatible server: language model."""
