"""Continuity: each interview has one interviewer, and a lost one is replaced.

See docs/continuity.md.
"""
