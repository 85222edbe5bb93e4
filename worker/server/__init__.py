"""The main process: takes jobs, starts their processes, ingests their journals, drains."""
