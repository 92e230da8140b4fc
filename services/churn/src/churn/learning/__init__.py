"""How a model is made from a training table, and how good it must be before it may speak."""
