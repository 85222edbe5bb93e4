"""Patches that add a provider and a step of the stuck-turn recovery, each with a test of its own.

tests/scenarios/test_additions.py applies the patches to a copy of the tree.
"""
