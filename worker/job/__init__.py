"""The job process: one job from handshake to closed. Knows nothing of interviews."""
