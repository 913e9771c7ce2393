"""One module per command of `negawatt`."""
