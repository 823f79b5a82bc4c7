"""The parts of an HTML page: its style and script, figures, and folds."""
