"""What control methods share: the base class, attaching, sites, tokens, sharding."""
