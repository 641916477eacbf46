"""Live feedback on the champion, and the guards at work."""
