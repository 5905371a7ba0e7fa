"""Weights from one process to many at once: gloo between CPUs, nccl between GPUs, by the same code.

The processes form a group of their own, beside whatever torch.distributed group each of them is in. Weights travel in
packs (packs.py). No call waits for ever: a process that dies or is out of reach ends it for the others with an error,
and the group is of no use then.
"""

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch.distributed import BroadcastOptions, TCPStore

from tasks.weights.packs import PACK_BYTES, Spec, fill, packs, room_of, specs_of, unpacked

TIMEOUT = timedelta(seconds=60)
"""Of a meeting, and of one pack: an engine may have a step to finish before it takes the first."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where ``members`` processes meet to form a group; whether tensors travel between their GPUs or main memories."""

    address: str
    port: int
    members: int
    between_gpus: bool


class Host:
    """Holds the place of a meeting open; the host is member 0, the one who sends."""

    def __init__(self, address: str, members: int, *, between_gpus: bool) -> None:
        """``address``: of this machine, as the others reach it."""
        self._store = TCPStore(address, 0, members, is_master=True, timeout=TIMEOUT, wait_for_workers=False)
        self.meeting = Meeting(address, self._store.port, members, between_gpus)

    def meet(self) -> "Group":
        """See `meet`."""
        return Group(self._store, 0, self.meeting)


def meet(meeting: Meeting, member: int) -> "Group":
    """The group, once every member is there. Between GPUs, each member's is the current one of its process.

    Raises:
        RuntimeError: somebody did not come in time.
    """
    store = TCPStore(meeting.address, meeting.port, meeting.members, is_master=False, timeout=TIMEOUT)
    return Group(store, member, meeting)


class Group:
    """What every member has of a group: member 0 sends, all others receive what it sends."""

    def __init__(self, store: TCPStore, member: int, meeting: Meeting) -> None:
        self._device = torch.device("cuda" if meeting.between_gpus else "cpu")
        make = _nccl if meeting.between_gpus else _gloo
        self._ranks = make(store, member, meeting.members)

    def send(self, weights: Mapping[str, Tensor], pack_bytes: int = PACK_BYTES) -> None:
        """To all other members, who must be receiving `specs_of` these.

        Raises:
            RuntimeError: it did not reach everybody.
        """
        for pack in packs(specs_of(weights), pack_bytes):
            place = torch.zeros(room_of(pack), dtype=torch.uint8)
            fill(place, {spec.name: weights[spec.name] for spec in pack})
            self._broadcast(place.to(self._device))

    def receive(self, specs: Iterable[Spec], pack_bytes: int = PACK_BYTES) -> Iterator[tuple[str, Tensor]]:
        """What member 0 sends, tensor by tensor.

        Raises:
            RuntimeError: it did not come.
        """
        for pack in packs(specs, pack_bytes):
            came = torch.empty(room_of(pack), dtype=torch.uint8, device=self._device)
            self._broadcast(came)
            yield from unpacked(came, pack)

    def close(self) -> None:
        """Leave: members that wait for this one get an error. Nothing can be sent or received any more."""
        self._ranks.shutdown()
        del self._ranks  # with it go its connections

    def _broadcast(self, pack: Tensor) -> None:
        options = BroadcastOptions()
        options.rootRank = 0
        self._ranks.broadcast([pack], options).wait(TIMEOUT)


# What torch tells of the types of these two is not what they are.


def _nccl(store: TCPStore, member: int, members: int) -> Any:
    options = torch.distributed.ProcessGroupNCCL.Options()
    options._timeout = 2 * TIMEOUT  # when it passes, torch ends the process: `Group._broadcast` gives up before
    return torch.distributed.ProcessGroupNCCL(store, member, members, options)


def _gloo(store: TCPStore, member: int, members: int) -> Any:
    gloo: Any = torch.distributed.ProcessGroupGloo
    options = gloo._Options()
    # By default gloo listens where this machine's name leads, which on many is the loopback that no other one reaches.
    options._devices = [gloo.create_device(hostname=_own_address(store.host, store.port))]
    options._timeout = TIMEOUT
    return gloo(store, member, members, options)


def _own_address(host: str, port: int) -> str:
    """This machine's, as seen from another one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect((host, port))  # sends nothing
        return route.getsockname()[0]
