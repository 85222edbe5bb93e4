"""Journals: kept over a failing disk, ingested into PostgreSQL, recovered after a crash."""
