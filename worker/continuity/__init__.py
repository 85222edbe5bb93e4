"""Continuity: each interview has one interviewer, and a lost interviewer is replaced.

See docs/explanation/continuity.md.
"""
