"""The staff's desk: how the installation is doing, who is connected, what became of an event; in the admin and live.

A room of its own: it looks at everything else here, and of that only the hub, which tells it what happens, knows it.
It knows no more of a host project than the rest does.
"""
