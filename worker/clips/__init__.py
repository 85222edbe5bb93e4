"""Recorded sentences that the interviewer speaks without a provider."""
