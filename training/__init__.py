"""How models are learned and proven."""
