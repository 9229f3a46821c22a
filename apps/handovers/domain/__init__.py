"""Handover documents as text: keys, what a document says, what is odd about it, and how one is written. Pure."""
