"""Pictures of the workbench for the documents: the real screens on runs that really trained, drawn by a command."""
