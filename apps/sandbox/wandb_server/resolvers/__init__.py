"""The schema's resolvers, one module per noun; importing a module registers them."""
