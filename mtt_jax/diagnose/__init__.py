"""Diagnosis: one model or several, frozen or not, balanced or not, on the user's data."""
