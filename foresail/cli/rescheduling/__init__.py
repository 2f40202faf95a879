"""What `foresail reschedule` reads, makes, checks and shows; `foresail.policies.rescheduling` decides."""
