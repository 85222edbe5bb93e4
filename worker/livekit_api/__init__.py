"""LiveKit's server API: rooms, dispatches, tokens, webhooks."""
