"""The Autobahn test suite against the WebSocket server: python3 run.py autobahn."""
