"""From ranks to tables and plots: one file a format, the same numbers in all."""
