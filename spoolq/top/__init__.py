"""`spoolq top`: a live view that fills the terminal. One file each for what is seen, drawn, typed and done."""
