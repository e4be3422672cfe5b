"""How the shipped voices are made, from texts to a bundle."""
