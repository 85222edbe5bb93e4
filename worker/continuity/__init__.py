"""Continuity: one interviewer per interview, redispatched when lost. See docs/continuity.md."""
