"""The commands, thin: they parse, call, and print. Heavy imports wait until a command needs them."""
