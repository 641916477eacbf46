"""The files of a workspace: paths, the table of steps, lock, tables, reports and records. Calls no external tool."""
