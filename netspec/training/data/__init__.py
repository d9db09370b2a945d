"""Where samples come from: sources (digits, MNIST, folders, tables, stores), and the batches made of them. Knows nothing of nets."""
