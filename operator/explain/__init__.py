"""Say what was decided and why: status, Events, log lines and metrics carry the same reason and the same sentence."""
