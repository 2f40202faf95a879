"""How well the allocation does: figures asked, figures measured, rivals beside it."""
