"""What `foresail allocate` reads, solves, prints and draws."""
