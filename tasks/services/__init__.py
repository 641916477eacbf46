"""The servers and the worker of a workspace as child processes: started, watched and ended together."""
