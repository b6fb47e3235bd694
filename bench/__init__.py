"""Figures, measured in pairs on servers of their own. Nothing here is a test."""
