"""How settings are declared and read: groups of environment variables, and their errors."""
