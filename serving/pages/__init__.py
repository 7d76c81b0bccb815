"""Server-rendered pages: the at-risk list and the customer."""
