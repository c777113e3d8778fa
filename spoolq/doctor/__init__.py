"""`spoolq doctor`: prove the assumptions of docs/assumptions.md on the user's own mount, and mend what is safe."""
