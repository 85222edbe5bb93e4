"""The settings. Any process; reads the environment, imports no framework."""
