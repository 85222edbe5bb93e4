"""The interview: the application that this worker runs by default. Job process."""
