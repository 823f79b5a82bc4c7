"""One file a model: its configuration, its network and its training stages."""
