"""The one exception with which the server refuses a request."""


class Refused(Exception):
    """A request that cannot be granted; `status` is the HTTP status, 200 for a plain GraphQL error."""

    def __init__(self, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.status = status
