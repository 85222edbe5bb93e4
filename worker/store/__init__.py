"""PostgreSQL store: pool, schema, interviews, jobs with their journals, embedded server."""
