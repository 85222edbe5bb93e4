"""Journals of jobs: kept if the disk fails, ingested into PostgreSQL, recovered after a crash."""
