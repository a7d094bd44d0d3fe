"""Prediction: using a trained model; imports neither training code nor its libraries."""
