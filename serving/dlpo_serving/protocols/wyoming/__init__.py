"""Wyoming, Home Assistant's voice protocol."""
