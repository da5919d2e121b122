"""Facts about other people's products as dated tables in data/facts, and the files generated from them."""
