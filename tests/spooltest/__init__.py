"""What several tests share, one noun a module."""
