"""Operations on interviews and jobs for the commands, the demo and an API; none prints anything."""
