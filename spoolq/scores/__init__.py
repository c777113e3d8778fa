"""Scores of ended jobs: which are asked for, which is the best, how two differ, and a picture of them."""
