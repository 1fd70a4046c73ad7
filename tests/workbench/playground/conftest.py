from tests.workbench.playground.trained import project, trained_project

__all__ = ["project", "trained_project"]
