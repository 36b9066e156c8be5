"""What makes programs that were written without this package open .sdz."""
