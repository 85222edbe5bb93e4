"""The job process: it runs one job, from HANDSHAKE to CLOSED, and knows nothing of interviews."""
