"""From raw interactions to filtered, numbered, ordered sequences."""
