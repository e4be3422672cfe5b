"""What speaks inside a Triton server: the front of the model repository that export writes."""
