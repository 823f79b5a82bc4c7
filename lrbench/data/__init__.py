"""From an archive to flat sequences: catalogue, download, readers, preparation, splits, batches."""
