"""The machines that the bench compares: this host, morph86, QEMU's TCG and Bochs.

Every engine has run(program, count, limit) -> Sample. Time is the host's: it is read when a program's mark arrives here, so the guest's own
clock may be as wrong as it likes.
"""
import os
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import build

# Programs of several processes: natively on one processor too, as the guests have one.
ONE_PROCESSOR = ("system", "apps")
PROMPT_LIMIT = {"bochs": 600}


class EngineFailed(Exception):
    pass


class Sample:
    """Seconds of wall clock and of processor time for `count` units, and the checksum."""

    def __init__(self, count, wall, cpu, checksum):
        self.count, self.wall, self.cpu, self.checksum = count, wall, cpu, checksum


def process_seconds(pid):
    """Processor time of a live process: all of its threads to the nanosecond, its ended children in clock ticks."""
    try:
        own = time.clock_gettime((~pid << 3) | 2)  # the kernel's number for "all threads of pid, scheduler time"
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return own + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


class Lines:
    """Reads a file descriptor in a thread; every line comes with the time of its arrival and the processor time spent until then."""

    def __init__(self, fd, pid):
        self.queue = queue.Queue()
        self.pid = pid
        self.seen = []
        self.failed = False  # a line that had to come did not: what comes later belongs to nobody
        threading.Thread(target=self._read, args=(fd,), daemon=True).start()

    def _read(self, fd):
        rest = b""
        while True:
            try:
                data = os.read(fd, 65536)
            except OSError:
                data = b""
            now = time.monotonic()
            cpu = process_seconds(self.pid) if b"\n" in data else 0.0
            if not data:
                self.queue.put((None, now, cpu))
                return
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                self.queue.put((line.decode("latin-1").rstrip("\r"), now, cpu))

    def wait(self, wanted, limit):
        """The first line that begins with one of `wanted`. Lines before it are dropped (kernel messages)."""
        end = time.monotonic() + limit
        while True:
            try:
                line, now, cpu = self.queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                self.failed = True
                raise EngineFailed(f"no {' or '.join(wanted)} within {limit:.0f} s; last: {self.seen[-3:]}") from None
            if line is None:
                self.queue.put((None, now, cpu))
                self.failed = True
                raise EngineFailed(f"ended before {' or '.join(wanted)}; last: {self.seen[-3:]}")
            self.seen = self.seen[-20:] + [line]
            for text in wanted:
                at = line.find(text)
                if at >= 0:  # not only at the start: a message without a newline may stand before it
                    return line[at:], now, cpu


def sample_from(lines, count, limit):
    line, start, cpu_start = lines.wait(["@B", "@F", "@X"], limit)
    if line.startswith("@B"):
        line, end, cpu_end = lines.wait(["@E", "@F", "@X"], limit)
    if not line.startswith("@E"):
        raise ProgramFailed(line)
    return Sample(count, end - start, cpu_end - cpu_start, line[2:].strip())


class ProgramFailed(Exception):
    pass


class Native:
    name = "native"

    def __init__(self, programs):
        self.folder = build.native_folder(programs)
        self.scratch = None

    def start(self):
        """The guest's tmp is a file system in memory: so is this one."""
        self.scratch = tempfile.TemporaryDirectory(prefix="morph86-bench-", dir="/dev/shm")
        link = self.folder / "tmp"
        link.unlink(missing_ok=True)
        link.symlink_to(self.scratch.name)

    def stop(self):
        if self.scratch:
            self.scratch.cleanup()
            self.scratch = None

    def run(self, program, count, limit):
        command = [str(program.path), str(count)]
        if program.group in ONE_PROCESSOR:
            command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]
        process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            return sample_from(Lines(process.stdout.fileno(), process.pid), count, limit)
        except EngineFailed as failure:
            raise ProgramFailed(str(failure)) from None
        finally:
            process.stdin.close()  # the program waits for this: its processor time can be read until then
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Guest:
    """A machine that runs guest-init with its serial port on our pipes."""

    def __init__(self, name, command):
        self.name, self.command = name, command
        self.process = self.lines = None
        self.boot_seconds = None

    def launch(self):
        with open(build.OUT / f"{self.name}.log", "w") as log:
            self.process = subprocess.Popen([str(c) for c in self.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, start_new_session=True)
        self.lines = Lines(self.process.stdout.fileno(), self.process.pid)

    def start(self):
        begin = time.monotonic()
        self.launch()
        limit = PROMPT_LIMIT.get(self.name, 120)
        _, now, _ = self.lines.wait(["@shell"], limit)
        self.boot_seconds = now - begin
        self.lines.wait(["@ready"], limit)

    def send(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except OSError:
            raise EngineFailed("the machine is gone") from None

    def run(self, program, count, limit):
        if self.process is None or self.process.poll() is not None:
            self.stop()
            self.start()
        try:
            self.send(f"run {program.name} {count}\n")
            sample = sample_from(self.lines, count, limit)
            self.lines.wait(["@X"], limit)
            return sample
        except ProgramFailed as failure:
            if not str(failure).startswith("@X"):
                self.lines.wait(["@X"], limit)
            raise
        except EngineFailed as failure:
            raise EngineFailed(f"{failure}{self.last_words()}") from None
        finally:
            if self.process is not None and self.lines.failed:
                self.stop()

    def last_words(self):
        """How the process ended, and what it had to say, if it did end."""
        try:
            status = self.process.wait(1)
        except subprocess.TimeoutExpired:
            return ""
        log = build.OUT / f"{self.name}.log"
        text = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
        return f"; status {status} {' '.join(text)}".rstrip()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        self.process = None


class Bochs(Guest):
    """Bochs boots the CD and gives its serial port as a TCP connection to us; its screen is an unwatched VNC server."""

    def __init__(self, iso):
        super().__init__("bochs", [])
        self.iso = iso
        self.connection = None

    def launch(self):
        server = socket.create_server(("127.0.0.1", 0))
        port = server.getsockname()[1]
        build.fetch("bochsbios", "vgabios")
        roms = build.GUESTS / "pkg"
        config = build.OUT / "bochsrc"
        config.write_text("\n".join([
            'config_interface: textconfig',
            'display_library: rfb, options="timeout=0"',
            f'romimage: file="{roms}/bochsbios/usr/share/bochs/BIOS-bochs-latest"',
            f'vgaromimage: file="{roms}/vgabios/usr/share/vgabios/vgabios.bin"',
            'megs: 256', 'cpu: model=corei7_haswell_4770, ips=50000000', 'clock: sync=none',
            'ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14',
            f'ata0-master: type=cdrom, path="{self.iso}", status=inserted', 'boot: cdrom',
            f'com1: enabled=1, mode=socket-client, dev="127.0.0.1:{port}"',
            f'log: "{build.OUT}/bochs.log"', 'panic: action=fatal', 'error: action=report', 'info: action=ignore',
            'mouse: enabled=0', 'sound: driver=dummy', 'speaker: enabled=1, mode=none', ""]))
        go_on = build.OUT / "bochs.continue"  # Debian's Bochs stops in its debugger first
        go_on.write_text("continue\n")
        self.process = subprocess.Popen(["bochs", "-q", "-f", config, "-rc", go_on], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        server.settimeout(30)
        try:
            self.connection = server.accept()[0]
        except TimeoutError:
            raise EngineFailed(f"Bochs did not start; see {build.OUT}/bochs.log") from None
        finally:
            server.close()
        self.lines = Lines(self.connection.fileno(), self.process.pid)

    def send(self, text):
        # One character at a time would suit a real line; the 16550's FIFO has room for these few.
        self.connection.sendall(text.encode())


def machine_options(kernel, initrd, append):
    return ["-m", "256", "-nographic", "-no-reboot", "-nic", "none", "-kernel", kernel, "-initrd", initrd, "-append", append]


def morph86_command(kernel, initrd, append=build.APPEND, extra=()):
    return [build.OUT / "morph86", *machine_options(kernel, initrd, append), *extra]


def qemu_command(kernel, initrd, append=build.APPEND, extra=()):
    return ["qemu-system-i386", "-accel", "tcg", *machine_options(kernel, initrd, append), *extra]


def available(name):
    if name == "morph86":
        return (build.TOP / "build/morph86").exists()
    return name == "native" or shutil.which({"qemu": "qemu-system-i386", "bochs": "bochs"}[name]) is not None


def make(name, programs, initrd, disk):
    kernel = build.KERNELS["686"]
    extra = ["-hda", disk] if disk else []
    if name == "native":
        return Native(programs)
    if name == "bochs":
        return Bochs(build.build_iso(kernel, initrd))
    command = {"morph86": morph86_command, "qemu": qemu_command}[name]
    return Guest(name, command(kernel, initrd, extra=extra))
