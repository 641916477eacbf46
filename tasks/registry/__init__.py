"""The life of a version: registered, promoted, rolled back, audited."""
