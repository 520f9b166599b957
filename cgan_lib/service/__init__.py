"""A generator behind HTTP, and the page that plays with it."""
