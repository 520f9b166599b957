"""What a study found, as pictures: which settings mattered, and which go together."""
