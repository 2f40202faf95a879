"""What `foresail moe` does: one file a command, and what they share."""
