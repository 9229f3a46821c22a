"""The pages of tokens, and the page that describes the API."""
