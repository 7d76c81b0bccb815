"""How scores are used: the store, scoring runs, the HTTP service and its pages."""
