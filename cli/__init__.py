"""The command line `rounds`: one file per command or small group of commands."""
