"""Prediction: a trained model in a user's hands; imports neither training nor its libraries."""
