"""Features of videos that set metrics and similarities are measured on: our own, and those of the user's weights."""
