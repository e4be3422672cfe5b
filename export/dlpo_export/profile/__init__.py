"""Where the time of a graph goes: measured, by layer and step, and drawn."""
