"""What the stages hand on, one file a subject. Stages meet here and in the store, never in each other's code."""
