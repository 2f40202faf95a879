"""How well rescheduling does: figures asked, figures measured, rivals beside it."""
