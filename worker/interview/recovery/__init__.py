"""Recovery of an interview from silence, lost resources and lost connections."""
