"""The server's side of the wire: WebSockets for any ASGI application, and the way past ASGI that the hub takes."""
