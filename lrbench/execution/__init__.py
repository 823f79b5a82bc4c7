"""From a suite to trials, and trials to worker processes."""
