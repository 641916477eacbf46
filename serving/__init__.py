"""Where the champion is used: chat with it over HTTP, and give feedback. One file a router; `app.py` composes them."""
