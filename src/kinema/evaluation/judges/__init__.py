"""Judges: independent estimators of pose and silhouette, none of them ever used as a training loss."""
