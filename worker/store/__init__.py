"""PostgreSQL: pool, schema, interviews, jobs and their journals, and the embedded default."""
