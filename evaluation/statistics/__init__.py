"""Intervals, significance tests and distances between samples."""
