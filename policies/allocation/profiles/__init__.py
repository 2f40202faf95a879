"""What one replica sustains by size bucket, where that is known from, and how far it may be off."""
