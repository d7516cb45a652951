"""The page that tells what a run found."""
