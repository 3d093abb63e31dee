"""The pages: a view parses what came, calls a use case, and renders."""
