"""What is better: numbers in, findings out. Knows no workspace and no tool."""
