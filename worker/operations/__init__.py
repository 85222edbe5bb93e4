"""What the commands, the demo and an API do with interviews and jobs. Prints nothing."""
