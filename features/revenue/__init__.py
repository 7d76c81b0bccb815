"""The MRR ledger and every number that follows from it."""
