"""Where a job takes place: a LiveKit room, or a local socket. Job process."""
