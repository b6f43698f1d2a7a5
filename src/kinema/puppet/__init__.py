"""A picture's own person and room, moved as a scene says, without a large model: the rough take."""
