"""The JSON API: what of HTTP it needs, and its operations."""
