"""Metrics, logs and the status page. Main process; follows the journals of its jobs."""
