"""The interview: the application that a job process runs by default."""
