"""The pages of the review: the week, its rows, the wall, and what people write."""
