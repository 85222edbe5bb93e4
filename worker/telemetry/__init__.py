"""Metrics, logs and status of the main process, which follows the journals of its jobs."""
