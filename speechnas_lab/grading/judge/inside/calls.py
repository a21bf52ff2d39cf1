"""Calls of the kernel that an answer's process is refused: a filter (seccomp) that the kernel itself runs.

Namespaces and limits keep an answer apart. This closes what they leave open: keyrings, which answers would share;
sockets that no network namespace holds (a virtual machine's host); memory that no limit counts; further namespaces; and
parts of the kernel that no exercise needs and in which faults are found again and again.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

KINDS = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # machine -> (its number, which column below)
REFUSED = {  # call -> its numbers on x86_64 and aarch64
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "shmget": (29, 194), "memfd_create": (319, 279), "memfd_secret": (447, 447), "msgget": (68, 186),
    "semget": (64, 190), "mq_open": (240, 180),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "unshare": (272, 97), "setns": (308, 268), "chroot": (161, 51), "pivot_root": (155, 41), "mount": (165, 40),
    "umount2": (166, 39), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "init_module": (175, 105), "finit_module": (313, 273), "kexec_load": (246, 104), "reboot": (169, 142),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "mbind": (237, 235), "set_mempolicy": (238, 237),
}  # fmt: skip
CLONE, CLONE3, SOCKET, SOCKETPAIR, IOCTL = (56, 220), (435, 435), (41, 198), (53, 199), (16, 29)
NAMESPACES = 0x7E020000  # the flags of clone that make some
UNIX = 1  # the only family of sockets that is left
TYPED = (0x5412, 0x541C)  # ioctl: TIOCSTI, TIOCLINUX, which type into a terminal
OTHER_TABLE = 0x40000000  # on x86_64, numbers from here on mean the same calls once more (x32)
NUMBER, KIND, FIRST, SECOND = 0, 4, 16, 24  # where they stand in what the kernel shows to a filter
LOAD, EQUAL, AT_LEAST, ANY_OF, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
NO, UNKNOWN = ERROR | errno.EPERM, ERROR | errno.ENOSYS
SECCOMP, FILTER = 22, 2


def program(machine: str) -> bytes:
    """The filter for a machine, as the kernel's instructions; nothing for one whose numbers are not known here."""
    if machine not in KINDS:
        return b""
    kind, column = KINDS[machine]
    steps = [(LOAD, 0, 0, KIND), (EQUAL, 1, 0, kind), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    steps += [(AT_LEAST, 0, 1, OTHER_TABLE), (RETURN, 0, 0, NO)]
    steps += [(EQUAL, 0, 1, CLONE3[column]), (RETURN, 0, 0, UNKNOWN)]  # then clone is called, which can be looked into
    for numbers in REFUSED.values():
        steps += [(EQUAL, 0, 1, numbers[column]), (RETURN, 0, 0, NO)]
    for numbers, place, test in (
        (CLONE, FIRST, [(ANY_OF, 0, 1, NAMESPACES)]), (SOCKET, FIRST, [(EQUAL, 1, 0, UNIX)]),
        (SOCKETPAIR, FIRST, [(EQUAL, 1, 0, UNIX)]), *((IOCTL, SECOND, [(EQUAL, 0, 1, what)]) for what in TYPED),
    ):  # fmt: skip
        steps += [(EQUAL, 0, 4, numbers[column]), (LOAD, 0, 0, place), *test, (RETURN, 0, 0, NO), (LOAD, 0, 0, NUMBER)]
    return b"".join(struct.pack("<HBBI", *step) for step in (*steps, (RETURN, 0, 0, ALLOW)))


def refuse() -> None:
    """Put the filter over this process and all that it starts. It must have given up gaining rights before."""
    code = program(platform.machine())
    if not code:
        return
    buffer = ctypes.create_string_buffer(code, len(code))
    whole = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer)))
    if ctypes.CDLL(None, use_errno=True).prctl(SECCOMP, FILTER, whole, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the filter of calls ({errno.errorcode.get(number, number)})")
