"""With this folder on PYTHONPATH, Craft's processes start the fake worker instead of the one that trains."""

import craft.launch.workers

craft.launch.workers.WORKER = "fake_worker"
craft.launch.standby.MODULE = "fake_standby"
