"""The checks of `rounds doctor`, one file each, with a function `check` that yields diagnoses."""
