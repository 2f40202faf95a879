"""Virtual machines on machines with two NUMA nodes: the proven best moves, in waves."""
