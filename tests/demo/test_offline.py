"""The demo's wall against the network: other machines are refused, this one is not."""

from __future__ import annotations

import socket
import urllib.request

import pytest

from studio.demo.offline import OutsideBlocked, no_network


def test_other_machines_are_refused_and_told() -> None:
    with no_network() as refused:
        with socket.socket() as tcp, pytest.raises(OutsideBlocked):
            tcp.connect(("192.0.2.1", 80))
        with socket.socket() as tcp, pytest.raises(OutsideBlocked):
            tcp.connect_ex(("192.0.2.1", 80))
        with socket.socket(type=socket.SOCK_DGRAM) as udp, pytest.raises(OutsideBlocked):
            udp.sendto(b"x", ("192.0.2.2", 53))
        with pytest.raises(OutsideBlocked):
            socket.getaddrinfo("models.example.org", 443)
        with pytest.raises(OSError, match="no network here"):
            urllib.request.urlopen("http://models.example.org")
    assert len(refused) == 5


def test_this_machine_is_reached() -> None:
    with no_network() as refused, socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(("localhost", server.getsockname()[1])):
            pass
    assert refused == []


def test_the_wall_is_taken_down_again() -> None:
    connect, resolve = socket.socket.connect, socket.getaddrinfo
    with no_network():
        assert socket.socket.connect is not connect
    assert socket.socket.connect is connect
    assert socket.getaddrinfo is resolve
