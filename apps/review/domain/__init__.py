"""What a week came to, from frozen facts: pure."""
