"""Serving: trained models over HTTP, and a web page; imports no training code nor its libraries."""
