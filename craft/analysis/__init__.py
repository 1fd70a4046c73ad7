"""What can be said about runs from their folders: figures, plots, comparisons. Free of torch."""
