"""Linear programs, whole numbers included, and the one solver of them: what every planner shares."""
