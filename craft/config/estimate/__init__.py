"""What an experiment costs, before it runs: parameters, products, memory, tokens. Free of torch and numpy.

parts.py         what an architecture tells of itself
transformer.py   one module an architecture, listed in `figures.ARCHITECTURES`
measured.py      models that only their code describes: another process plays one step
memory.py        a training step played through, stage by stage
figures.py       all of it for a definition, as ranges where something is not known yet
machine.py       the memory that this machine has
fits.py          the one against the other, and what to change
"""

from craft.config.estimate.figures import Estimate, Range, estimate, flops_per_token
from craft.config.estimate.machine import MachineMemory, machine_memory

__all__ = ["Estimate", "MachineMemory", "Range", "estimate", "flops_per_token", "machine_memory"]
