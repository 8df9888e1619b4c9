"""What the Python tests share. Standard library only."""
