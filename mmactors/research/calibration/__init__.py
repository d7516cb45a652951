"""How good a probability is, and which estimator is best."""
