"""The machines that the bench compares: this host, morph86 (one engine per -accel), QEMU's TCG and Bochs.

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
PROMPT_LIMIT, BOCHS_PROMPT_LIMIT = 120, 600  # seconds from the start to the guest's first mark


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
        # A descriptor of our own: the number of one that its owner closes may already be another program's when we read it.
        threading.Thread(target=self._read, args=(os.dup(fd),), daemon=True).start()

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
                os.close(fd)
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
        limit = BOCHS_PROMPT_LIMIT if isinstance(self, Bochs) else PROMPT_LIMIT
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
    """Bochs gives its serial port as a TCP connection to us; its screen is an unwatched VNC server. `drive` is what it boots, in its own
    words."""

    def __init__(self, name, drive):
        super().__init__(name, [])
        self.drive = drive
        self.connection = None

    def launch(self):
        server = socket.create_server(("127.0.0.1", 0))
        port = server.getsockname()[1]
        build.fetch("bochsbios", "vgabios")
        roms = build.GUESTS / "pkg"
        config = build.OUT / f"{self.name}.rc"
        config.write_text("\n".join([
            'config_interface: textconfig',
            'display_library: rfb, options="timeout=0"',
            f'romimage: file="{roms}/bochsbios/usr/share/bochs/BIOS-bochs-latest"',
            f'vgaromimage: file="{roms}/vgabios/usr/share/vgabios/vgabios.bin"',
            'megs: 256', 'cpu: model=corei7_haswell_4770, ips=50000000', 'clock: sync=none',
            'ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14',
            f'ata0-master: {self.drive}', f'boot: {"cdrom" if "cdrom" in self.drive else "disk"}',
            f'com1: enabled=1, mode=socket-client, dev="127.0.0.1:{port}"',
            f'log: "{build.OUT}/{self.name}.log"', 'panic: action=fatal', 'error: action=report', 'info: action=ignore',
            'mouse: enabled=0', 'sound: driver=dummy', 'speaker: enabled=1, mode=none', ""]))
        go_on = build.OUT / "bochs.continue"  # Debian's Bochs stops in its debugger first
        go_on.write_text("continue\n")
        self.process = subprocess.Popen(["bochs", "-q", "-f", config, "-rc", go_on], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        server.settimeout(30)
        try:
            self.connection = server.accept()[0]
        except TimeoutError:
            raise EngineFailed(f"Bochs did not start; see {build.OUT}/{self.name}.log") from None
        finally:
            server.close()
        self.lines = Lines(self.connection.fileno(), self.process.pid)

    def send(self, text):
        # One character at a time would suit a real line; the 16550's FIFO has room for these few.
        self.connection.sendall(text.encode())


def is_morph86(name):
    return name.partition("-")[0] == "morph86"


def emulator(name, accel):
    """The command without its machine. morph86-NAME runs with -accel NAME, morph86 alone with `accel`."""
    if is_morph86(name):
        return [build.OUT / "morph86", "-accel", name.partition("-")[2] or accel]
    return ["qemu-system-i386", "-accel", "tcg"]


def linux_options(kernel, initrd, append=build.APPEND):
    return ["-m", "256", "-nographic", "-no-reboot", "-nic", "none", "-kernel", kernel, "-initrd", initrd, "-append", append]


def drive(image):
    return ["-drive", f"file={image},format=raw,if=ide,index=0"]


def available(name):
    if is_morph86(name):
        return (build.OUT / "morph86").exists()
    return name == "native" or shutil.which({"qemu": "qemu-system-i386", "bochs": "bochs"}[name]) is not None


class Emulator:
    """The machines that one emulator runs: Linux, and the one without an operating system. Only those that have programs start."""

    def __init__(self, name, guests):
        self.name, self.guests = name, guests

    def start(self):
        for guest in self.guests.values():
            guest.start()

    def stop(self):
        for guest in self.guests.values():
            guest.stop()

    @property
    def boot_seconds(self):
        return self.guests["linux"].boot_seconds if "linux" in self.guests else None

    def run(self, program, count, limit):
        return self.guests[program.machine].run(program, count, limit)


def make(name, accel, programs, chosen, disk):
    """An engine that can run the programs `chosen`; `programs` are all there are, so that the guests are always the same."""
    if name == "native":
        return Native(programs)
    machines = {p.machine for p in chosen}
    guests = {}
    if "linux" in machines:
        kernel, initrd = build.KERNELS["686"], build.build_initrd("bench.initrd", programs)
        if name == "bochs":
            guests["linux"] = Bochs(name, f'type=cdrom, path="{build.build_iso(kernel, initrd)}", status=inserted')
        else:
            disks = drive(build.copy_for(name, disk)) if disk else []
            guests["linux"] = Guest(name, [*emulator(name, accel), *linux_options(kernel, initrd), *disks])
    if "metal" in machines:
        image = build.copy_for(name, build.build_metal())
        if name == "bochs":
            guests["metal"] = Bochs(f"{name}-metal", f'type=disk, path="{image}", mode=volatile')
        else:
            guests["metal"] = Guest(f"{name}-metal", [*emulator(name, accel), "-m", "64", "-nographic", "-no-reboot", "-nic", "none",
                                                      *drive(image)])
    return Emulator(name, guests)
