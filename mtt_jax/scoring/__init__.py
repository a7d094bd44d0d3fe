"""Scoring: from parameters and examples to log-probabilities, answers and scores."""
