"""The language model's part: prompt, reply, and the check of what it may say."""
