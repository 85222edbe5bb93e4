"""The licences of what an installed interview-worker brings: read, judged, and listed."""
