"""An embedded PostgreSQL that the processes of one data folder share."""
