"""Other people's conformance tests against our calendar server; `make conformance` runs them."""
