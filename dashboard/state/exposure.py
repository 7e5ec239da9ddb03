"""Who can reach this server: the address it listens on, and the host names it answers to."""

from ipaddress import ip_address

from streamlit import config


def server_address() -> str:
    """What the server listens on: an IP address or a host name."""
    return str(config.get_option("server.address") or "0.0.0.0")


def host_names() -> list[str]:
    """The host names it answers to, as `server.allowedHosts` has them; empty: any."""
    return [str(name).strip() for name in config.get_option("server.allowedHosts")]


def is_loopback(name: str) -> bool:
    """Whether a host name or an IP address means the machine of whoever uses it."""
    name = name.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def is_on_loopback_only() -> bool:
    """Whether only programs and people of this machine reach the server: neither does it listen on another address, nor
    does it answer to a name under which a proxy may bring others."""
    names = host_names()
    return is_loopback(server_address()) and bool(names) and all(map(is_loopback, names))
