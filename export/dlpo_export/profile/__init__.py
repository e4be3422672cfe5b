"""Where the time of a graph goes: measured by layer, operator and reverse step."""
