"""Settings of every process, read from the environment. This package imports no framework."""
