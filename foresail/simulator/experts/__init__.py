"""The reference runtime: a small mixture-of-experts model that changes its GPUs while it serves, in real processes.

A GPU is a process that keeps experts in a segment of shared memory (`keeper`). An instance is a process that maps all
segments and serves (`instance`). A page table says which expert is on which page of which GPU (`pages`). The
coordinator (`runtime`) has experts copied from GPU to GPU as a plan says (`resize`), and changes the table between two
requests.
"""
