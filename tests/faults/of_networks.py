"""What befalls the lines between clients and servers."""

from __future__ import annotations

from tests.faults.scenario import fault

fault(
    "cable-pulled",
    "The cable between clients and servers is pulled, and put back.",
    strike=lambda rig: rig.network.pull(),
    heal=lambda rig: rig.network.plug(),
    needs=["cable"],
    is_quick=True,
)
fault(
    "packets-lost",
    "Of the packets between clients and servers 30 in 100 are lost.",
    strike=lambda rig: rig.network.lose(30),
    heal=lambda rig: rig.network.let_through(),
    seconds=12,
    needs=["cable", "firewall"],
)
fault(
    "line-slow",
    "All clients together get one megabit a second.",
    strike=lambda rig: rig.network.slow_down(),
    heal=lambda rig: rig.network.speed_up(),
    seconds=12,
    explains=["silent", "cut", "4410"],  # a third of what is written fits through: TCP lets some lines wait for long
    needs=["slow-cable"],
)
fault(
    "lines-cut",
    "Something between clients and servers is slow, and cuts every line again and again.",
    strike=lambda rig: (setattr(rig.proxy, "delay", 0.05), rig.proxy.cut()),
    heal=lambda rig: setattr(rig.proxy, "delay", 0.0),
    every=2.0,
    explains=["cut"],
    through_proxy=True,
    is_quick=True,
)
