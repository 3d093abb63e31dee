"""Who calls, as far as limits need it: the network, never the whole address."""

from __future__ import annotations

import ipaddress

_PREFIX = {4: 24, 6: 56}


def network_of(address: str | None) -> str:
    """Return the network of an IP address, as it is counted: IPv4 /24, IPv6 /56; "" for this machine and for what is no address.

    A proxy on the same machine that isn't trusted (`server.trust_proxy`) would make all citizens one caller.
    """
    try:
        known = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    if known.is_loopback:
        return ""
    return str(ipaddress.ip_network(f"{known}/{_PREFIX[known.version]}", strict=False))
