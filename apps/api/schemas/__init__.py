"""The shapes of what is asked at the agents' door, and of what is told."""
