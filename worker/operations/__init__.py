"""Operations on interviews and jobs that print nothing, for the commands, the demo and an API."""
