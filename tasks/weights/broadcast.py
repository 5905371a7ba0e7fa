"""Sends weights from one process to many at once: gloo between CPUs, nccl between GPUs, by the same code.

The processes form a separate group, independent of the torch.distributed group that each of them may be in. Weights
are sent in packs (packs.py). All calls have a timeout: if a process dies or is unreachable, the calls of the others
raise, and the group is unusable from then on.
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
"""The time limit for forming a group, and for one pack: an engine may have to finish a step before the first pack."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """The address where ``members`` processes form a group, and whether tensors go between GPUs or main memories."""

    address: str
    port: int
    members: int
    between_gpus: bool


class Host:
    """Hosts a meeting. The host is member 0, the sender."""

    def __init__(self, address: str, members: int, *, between_gpus: bool) -> None:
        """``address`` is this machine's, as the other members reach it."""
        # Port 0: the system chooses a free port. The constructor must not wait for members, since they learn the port
        # only from `meeting`.
        self._store = TCPStore(address, 0, members, is_master=True, timeout=TIMEOUT, wait_for_workers=False)
        self.meeting = Meeting(address, self._store.port, members, between_gpus)

    def meet(self) -> "Group":
        """See `meet`."""
        return Group(self._store, 0, self.meeting)


def meet(meeting: Meeting, member: int) -> "Group":
    """Join the group, and wait until all members have joined. Between GPUs, a member uses its process's current GPU.

    Raises:
        RuntimeError: a member did not join in time.
    """
    store = TCPStore(meeting.address, meeting.port, meeting.members, is_master=False, timeout=TIMEOUT)
    return Group(store, member, meeting)


class Group:
    """A member's side of a group: member 0 sends, all others receive."""

    def __init__(self, store: TCPStore, member: int, meeting: Meeting) -> None:
        self._device = torch.device("cuda" if meeting.between_gpus else "cpu")
        make = _nccl if meeting.between_gpus else _gloo
        self._ranks = make(store, member, meeting.members)

    def send(self, weights: Mapping[str, Tensor], pack_bytes: int = PACK_BYTES) -> None:
        """Send weights to all other members, which must call `receive` with the `specs_of` these weights.

        Raises:
            RuntimeError: not all members received them.
        """
        for pack in packs(specs_of(weights), pack_bytes):
            place = torch.zeros(room_of(pack), dtype=torch.uint8)
            fill(place, {spec.name: weights[spec.name] for spec in pack})
            self._broadcast(place.to(self._device))

    def receive(self, specs: Iterable[Spec], pack_bytes: int = PACK_BYTES) -> Iterator[tuple[str, Tensor]]:
        """The tensors that member 0 sends, one by one.

        Raises:
            RuntimeError: they did not arrive.
        """
        for pack in packs(specs, pack_bytes):
            received = torch.empty(room_of(pack), dtype=torch.uint8, device=self._device)
            self._broadcast(received)
            yield from unpacked(received, pack)

    def close(self) -> None:
        """Leave the group. Members that wait for this one get an error. The group cannot be used any more."""
        self._ranks.shutdown()
        del self._ranks  # only the destructor closes the connections, on which other members may be waiting

    def _broadcast(self, pack: Tensor) -> None:
        options = BroadcastOptions()
        options.rootRank = 0
        self._ranks.broadcast([pack], options).wait(TIMEOUT)


# The result is Any because torch's stubs of these two classes do not match the classes.


def _nccl(store: TCPStore, member: int, members: int) -> Any:
    options = torch.distributed.ProcessGroupNCCL.Options()
    # After this timeout torch's watchdog ends the process. `Group._broadcast` gives up earlier, with an exception.
    options._timeout = 2 * TIMEOUT
    return torch.distributed.ProcessGroupNCCL(store, member, members, options)


def _gloo(store: TCPStore, member: int, members: int) -> Any:
    gloo: Any = torch.distributed.ProcessGroupGloo
    options = gloo._Options()
    # By default gloo listens on the address of this machine's name. On many machines that is the loopback address,
    # which others cannot reach.
    options._devices = [gloo.create_device(hostname=_own_address(store.host, store.port))]
    options._timeout = TIMEOUT
    return gloo(store, member, members, options)


def _own_address(host: str, port: int) -> str:
    """This machine's address on its route to another machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect((host, port))  # a datagram socket sends nothing here: the system only chooses the route
        address: str = route.getsockname()[0]
    return address
