"""The sampler process, `craft/generation/server.py`, in parts: what is asked, what is held, what is answered, where."""
