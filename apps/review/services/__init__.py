"""All writes of the review: snapshots, and what people add in the meeting."""
