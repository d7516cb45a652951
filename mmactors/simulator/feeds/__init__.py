"""What each exchange's frames say."""
