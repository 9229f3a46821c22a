"""The facts of a week: a fixed number of queries, however many rows there are."""
