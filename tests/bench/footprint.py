"""What a machine costs before it does anything: the time of a whole process whose firmware leaves at once, and the memory of the process
beside the guest's own RAM while Linux waits at the shell."""
import re
import statistics
import subprocess
import time

import build
import engines

EXIT_OPTIONS = ["-m", "128", "-display", "none", "-nodefaults", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ ")
RUNS = 21


def start_milliseconds(command):
    """Median life of a process that runs two guest instructions. The exit status proves that they ran."""
    times = []
    for _ in range(RUNS):
        begin = time.monotonic()
        status = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True).returncode
        times.append((time.monotonic() - begin) * 1e3)
        if status != 1:  # isa-debug-exit: value 0 becomes status 1
            return None
    return statistics.median(times)


def memory_of(pid, ram_bytes):
    """PSS in KiB of (all mappings but guest RAM, guest RAM). Guest RAM is a mapping of a memfd, or else the mapping of just its size."""
    rest = ram = 0
    is_ram = False
    for line in open(f"/proc/{pid}/smaps"):
        if MAPPING.match(line):
            start, end = (int(x, 16) for x in line.split()[0].split("-"))
            name = line.split(None, 5)[5].strip() if len(line.split(None, 5)) > 5 else ""
            is_ram = "ram" in name.lower() and "memfd" in name or end - start == ram_bytes
        elif line.startswith("Pss:"):
            if is_ram:
                ram += int(line.split()[1])
            else:
                rest += int(line.split()[1])
    return rest, ram


def measure(options):
    build.fetch("linux")
    bios = build.build_exit_bios()
    build.copy_morph86(options.binary)
    initrd = build.build_initrd("boot.gz", [])
    result = {}
    for name in options.engines:
        if name in ("native", "bochs") or not engines.available(name):
            continue
        command = engines.emulator(name, options.accel)
        row = {"start_ms": start_milliseconds([*command, *EXIT_OPTIONS, "-bios", bios])}
        machine = engines.Guest(name, [*command, *engines.linux_options(build.KERNELS["686"], initrd)])
        try:
            machine.start()
            time.sleep(2)
            row["pss_kib"], row["guest_ram_pss_kib"] = memory_of(machine.process.pid, 256 << 20)
            before = engines.process_seconds(machine.process.pid)
            time.sleep(5)
            row["idle_cpu_percent"] = (engines.process_seconds(machine.process.pid) - before) * 20
        except engines.EngineFailed as failure:
            build.say(f"{name}: {failure}")
        finally:
            machine.stop()
        result[name] = row
    return result


def table(result):
    lines = [f"{'engine':16}{'start to exit, ms':>20}{'PSS without guest RAM, MiB':>30}{'idle, % of a CPU':>20}"]
    for name, row in result.items():
        start, pss, idle = row["start_ms"], row.get("pss_kib"), row.get("idle_cpu_percent")
        lines.append(f"{name:16}{f'{start:.1f}' if start else 'failed':>20}{f'{pss / 1024:.1f}' if pss else '-':>30}"
                     f"{f'{idle:.1f}' if idle is not None else '-':>20}")
    lines.append("targets for morph86: below 10 ms, below 12 MiB")
    return "\n".join(lines)
