"""benchmarks/results.md, made from benchmark records alone; and their tables on the terminal."""
