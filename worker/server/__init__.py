"""A worker's main process: takes jobs, starts job processes, ingests journals, and drains."""
