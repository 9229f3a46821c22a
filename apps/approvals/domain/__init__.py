"""Plans, questions and reports as frozen values, and what may be done with them. Pure."""
