"""The words of the interview plan, spoken without a language model."""
