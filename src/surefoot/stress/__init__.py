"""A stress test: many users at once against the real runtime, measured, and told in a terminal and on a page."""
