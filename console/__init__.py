"""What people touch: the `negawatt` command."""
