module negawatt.dev/bench/nullextender

go 1.24
