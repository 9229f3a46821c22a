"""The pure parts of the agents' door: scopes and tokens, limits, problems, cursors, signatures."""
