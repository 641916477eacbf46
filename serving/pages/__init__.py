"""Pages for people in a browser: templates, what they share, and one file a page. They need no build step."""
