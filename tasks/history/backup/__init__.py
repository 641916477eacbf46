"""Backups of a workspace: database, artifacts and data as one consistent set in a folder, and their restoration."""
