"""Continuity: each interview has one interviewer, and a lost interviewer is replaced.

See docs/continuity.md.
"""
