"""What an interview does about silence, lost resources and lost connections."""
