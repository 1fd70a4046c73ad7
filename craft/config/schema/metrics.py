"""`[metrics]`: figures of one's own, measured with each evaluation; a table each, by name."""

from __future__ import annotations

from craft.config.schema.base import OwnCode


class OwnMetric(OwnCode):
    """A figure of one's own: `module:Class`, a `Metric`. It is recorded as `val/NAME`, NAME being its table's."""
