"""Fixtures of the tests that start processes."""

from tests.launch.project import fake_project, real_project

__all__ = ["fake_project", "real_project"]
