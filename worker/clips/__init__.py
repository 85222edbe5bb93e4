"""The recorded sentences that an interview speaks without a provider."""
