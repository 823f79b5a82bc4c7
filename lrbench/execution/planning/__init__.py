"""Which trials a suite asks for, and what its controls become."""
