"""The licences of all packages that an installation brings: read, judged, and listed."""
