"""Everything about one run, in tabs."""
