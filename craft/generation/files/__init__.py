"""Many prompts, and the files of what was written from them."""
