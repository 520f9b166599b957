"""What only the notebooks need: exercises, diagrams, figures, the environment check."""
