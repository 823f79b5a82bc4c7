"""From an archive to batches. The hall holds sequences, batches and the way to a dataset."""
