"""The learning curve: checkpoints of a voice's training, placed by their logs, heard by judges."""
