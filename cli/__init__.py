"""How people ask: the command `rounds`, one file per command or small family."""
