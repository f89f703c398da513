"""processes -- start a server, wait until it serves, stop it, know its pid.

A pid file holds the pid and the start time of that process, so that a pid the
kernel has given to somebody else is never signalled.
"""

import os
import signal
import subprocess
import time

from .layout import LabError

STOP_SECONDS = 10


def start_time(pid):
    """Clock ticks since boot, or None when there is no such process.

    One whose first thread has ended is there, and so are its sockets, until its
    other threads have ended too.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
        ended = fields[0] in (b"Z", b"X") and len(os.listdir(f"/proc/{pid}/task")) <= 1
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if ended else fields[19].decode()


def running(pid_file):
    """The pid, or None."""
    try:
        with open(pid_file, encoding="ascii") as file:
            pid, started = file.read().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == started else None


def tail(path, lines=6):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return " | ".join(line.strip() for line in file.readlines()[-lines:])
    except FileNotFoundError:
        return ""


def start(name, argv, pid_file, log_file, ready):
    """Start `argv` in its own session and wait until `ready()` is true."""
    with open(log_file, "ab") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            cwd=os.path.dirname(pid_file))
    with open(pid_file, "w", encoding="ascii") as file:
        file.write(f"{process.pid} {start_time(process.pid)}\n")
    deadline = time.monotonic() + 30
    while not ready():
        if process.poll() is not None:
            raise LabError(f"could not start {name}: it ended with {process.returncode}: {tail(log_file)}")
        if time.monotonic() > deadline:
            stop(pid_file)
            raise LabError(f"could not start {name}: it does not serve after 30 s: {tail(log_file)}")
        time.sleep(0.02)
    return process.pid


def stop(pid_file, how=signal.SIGTERM):
    """Stop it, by force after STOP_SECONDS; fine when it does not run."""
    pid = running(pid_file)
    if pid is not None:
        os.kill(pid, how)
        deadline = time.monotonic() + STOP_SECONDS
        while running(pid_file) is not None:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                deadline += STOP_SECONDS
            time.sleep(0.01)
    if os.path.exists(pid_file):
        os.unlink(pid_file)
    return pid
