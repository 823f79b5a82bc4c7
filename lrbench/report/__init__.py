"""From ranks to tables and plots: one file per format, with the same numbers in all."""
