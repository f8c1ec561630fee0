"""Our own media engine: `engine` in the server, which starts and tells it; all other modules run in its process (`process`).

The server imports `engine` and `words` alone: aiortc and libav stay out of it.
"""
