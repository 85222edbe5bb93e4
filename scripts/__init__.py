"""What maintains the project and is not in its wheel."""
