"""The project's tests, in the same rooms as the code."""
