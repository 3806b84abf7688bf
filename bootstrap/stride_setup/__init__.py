"""Sets up stride's Python environment and workspace. Standard library only."""
