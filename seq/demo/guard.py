"""Who may ask: the page that this server gave out, opened by a name that no stranger's DNS can point here.

A site on the internet can make a visitor's browser send requests to 127.0.0.1, and can have its own name resolve to
127.0.0.1 (DNS rebinding) to read the answers. The Host header tells the latter, Origin and Sec-Fetch-Site the former.
"""

from __future__ import annotations

import ipaddress
import socket
from email.message import Message

# What a browser calls audio, and what may have sound.
_AUDIO_TYPES = ("audio/", "video/", "application/ogg", "application/octet-stream")


def refusal(headers: Message, host: str) -> str | None:
    """Why a request is refused, as a sentence; None where it is not. `host` is what the server was started with."""
    asked = headers.get("Host", "")
    if not is_own_name(_without_port(asked), host):
        return f"this server does not answer for the host '{asked[:100]}': open it by the address that it printed"
    origin = headers.get("Origin")
    # A proxy may speak https to the browser and http to us.
    if origin is not None and origin not in (f"http://{asked}", f"https://{asked}"):
        return "the request came from another site's page, which may not use this server"
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return "the request came from another site's page, which may not use this server"
    return None


def is_own_name(name: str, host: str) -> bool:
    """Whether a name (without port) is one of this machine's: an address, localhost, its host name, or `host`."""
    try:
        ipaddress.ip_address(name.strip("[]"))
        return True
    except ValueError:
        return name.lower() in {"localhost", host.lower(), socket.gethostname().lower()}


def is_audio_type(content_type: str) -> bool:
    """Whether a Content-Type may hold audio; none of these can be sent by a form or script of another site."""
    return content_type.lower().startswith(_AUDIO_TYPES)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that is bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host
