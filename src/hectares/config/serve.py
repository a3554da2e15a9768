"""Knobs of `serve`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from hectares.config.checks import at_least, between
from hectares.errors import ConfigError

_MOST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """How a folder becomes a service: where it listens, and how much it takes."""

    host: str = "127.0.0.1"
    """Address to listen at; any other than this machine's own needs --open-to-network."""
    port: int = 8765
    """Port to listen at; 0 takes one that is free."""
    open_to_network: bool = False
    """Let other machines ask: whoever has the address with its token can then use the service; it is not encrypted."""
    called: tuple[str, ...] = ()
    """A name by which browsers call this machine, such as maps.example.org; others are refused. Several are allowed."""
    jobs: int = 1
    """How many maps are made at the same time."""
    threads: int | None = None
    """Processors that the network of one map may use; by default all."""
    max_upload_mb: int = 4_000
    """Largest file that is taken, in megabytes."""
    min_free_mb: int = 1_000
    """Room that has to stay free on the disk, in megabytes; below it nothing is taken and no map is begun."""
    max_queued: int = 20
    """How many maps may wait."""
    max_hours: float = 24.0
    """Longest time that one step of a map may take."""
    max_memory_mb: int | None = None
    """Memory that one map may take, in megabytes (Linux only); by default ¾ of the machine divided by --jobs."""
    max_scenes: int = 500
    """How many scenes of the folder are shown."""
    max_connections: int = 200
    """How many connections are held at the same time; more are turned away."""

    def __post_init__(self) -> None:
        at_least(1, jobs=self.jobs, threads=self.threads, max_upload_mb=self.max_upload_mb, max_queued=self.max_queued)
        at_least(1, max_scenes=self.max_scenes)
        at_least(500, max_memory_mb=self.max_memory_mb)  # less than a command takes to begin with
        at_least(8, max_connections=self.max_connections)
        at_least(0, min_free_mb=self.min_free_mb)
        at_least(1e-3, max_hours=self.max_hours)
        between(0, _MOST_PORT, port=self.port)
        if not self.is_local and not self.open_to_network:
            raise ConfigError(
                f"--host {self.host} can be reached from other machines; give --open-to-network as well if that is "
                "what you want, or leave --host out and reach this machine by ssh -L"
            )
        if self.called and self.is_local:
            raise ConfigError("--called names this machine to others; it goes with --host and --open-to-network")

    @property
    def is_local(self) -> bool:
        """True if only this machine can ask.

        >>> ServeConfig().is_local, ServeConfig(host="::1").is_local, ServeConfig(host="localhost").is_local
        (True, True, True)
        """
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
