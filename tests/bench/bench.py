"""Runs the bench and prints its table. Start it with tests/bench/bench; docs/bench.md explains the figures."""
import argparse
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import build
import engines
import footprint
from build import say

ENGINES = ["native", "morph86", "morph86-interp", "qemu", "bochs"]
QUICK = ["native", "morph86", "qemu"]
ACCELS = ["interp", "ir", "jit"]
BOOTS = [("686", "mitigations=off"), ("686", ""), ("686-pae", "mitigations=off"), ("686-pae", "")]
BOOT_RESERVE = 80  # seconds of a limited time that the first pass leaves for booting
GRACE = 20  # seconds that the last run of a limited time may take longer
FEW_UNITS = 8
RUN_LIMIT = 60  # seconds for one run, after which the engine is restarted


class Bench:
    def __init__(self, options):
        self.options = options
        self.began = time.monotonic()
        self.samples = {}  # (program, engine) -> [Sample]
        self.problems = []
        self.failed = set()  # (engine, program)
        self.boots = {}  # (kernel, append) -> {engine: [seconds]}
        self.calibration_file = build.OUT / "calibration.json"
        try:
            self.calibration = json.loads(self.calibration_file.read_text())
        except (OSError, ValueError):
            self.calibration = {}

    def seconds_left(self):
        return self.options.budget - (time.monotonic() - self.began) if self.options.budget else math.inf

    def problem(self, text):
        say(text)
        self.problems.append(text)

    def label(self, name):
        """morph86 by what it runs with: the speed of one -accel says nothing about another's."""
        return f"morph86-{self.options.accel}" if name == "morph86" else name

    # Timing one program on one engine

    def sample(self, engine, program):
        """One run of at least --seconds. The unit count comes from earlier runs; a run that is too short is repeated with more units."""
        memory = self.calibration.setdefault(self.label(engine.name), {})
        known = memory.get(program.name)
        count = max(1, math.ceil(1.25 * self.options.seconds / known)) if known else 1
        is_first = not known
        while True:
            result = engine.run(program, count, min(RUN_LIMIT, max(1, self.seconds_left() + GRACE)))
            if result.checksum == "differs":
                raise engines.ProgramFailed("two units of one run have different checksums")
            per_unit = max(result.wall, 1e-6) / count
            if result.wall >= self.options.seconds and is_first and count < FEW_UNITS:
                # Most of it is what is done once: an emulator translates, a kernel reads files.
                is_first = False
                continue
            if result.wall >= self.options.seconds:
                # A first run holds what is done once: after many short ones the count would shrink to nothing but that.
                memory[program.name] = min(per_unit, known or per_unit)
                return result
            # A short run measures mostly how late its marks were read: do not trust it with a large step.
            count = math.ceil(count * 1.25 * self.options.seconds / max(result.wall, 0.005))

    def start_machines(self, names):
        machines = []
        for name in names:
            engine = engines.make(name, self.options.accel, self.all_programs, self.programs, self.disk)
            say(f"starting {name}")
            try:
                engine.start()
            except engines.EngineFailed as failure:
                self.problem(f"{name} does not boot the bench's guest: {failure}")
                engine.stop()
                continue
            machines.append(engine)
        return machines

    def run_programs(self, machines, programs, reserve=0):
        """One pass over the programs, each on all machines in turn. False if less than `reserve` seconds were left before the end."""
        for program in programs:
            for engine in machines:
                if (engine.name, program.name) in self.failed or engine.name == "native" and program.guest_only:
                    continue
                if self.seconds_left() < reserve:
                    return False
                try:
                    self.samples.setdefault((program.name, engine.name), []).append(self.sample(engine, program))
                except (engines.EngineFailed, engines.ProgramFailed) as failure:
                    if self.seconds_left() < -GRACE:
                        return False  # it was we who ended it
                    self.failed.add((engine.name, program.name))
                    self.problem(f"{program.name} on {engine.name}: {failure}")
            self.check_agreement(program)
        return True

    def run_together(self, names, programs, with_boot):
        """Passes that alternate between the engines, so that a change of the host's speed meets all of them."""
        machines = self.start_machines(names) if programs else []
        try:
            for repetition in range(self.options.repeat):
                whole = self.run_programs(machines, programs, BOOT_RESERVE if with_boot and not repetition else 0)
                if with_boot:
                    self.run_boots(names)
                if not whole:
                    self.problem(f"the time was over in pass {repetition + 1} of {self.options.repeat}")
                    break
        finally:
            for engine in machines:
                engine.stop()

    def run_bochs(self, programs):
        machines = self.start_machines(["bochs"])
        try:
            for engine in machines:
                if engine.boot_seconds:
                    self.boots.setdefault(BOOTS[0], {})["bochs"] = [engine.boot_seconds]
            if not self.run_programs(machines, programs):
                self.problem("the time was over before Bochs had run all programs")
        finally:
            for engine in machines:
                engine.stop()

    def check_agreement(self, program):
        alike = [p.name for p in self.programs if p.result == program.result]
        sums = {key: sorted({s.checksum for s in samples}) for key, samples in self.samples.items() if key[0] in alike}
        if len({c for group in sums.values() for c in group}) > 1:
            text = (f"{program.name}: checksums differ: "
                    + ", ".join(f"{name if name != program.name else ''} {engine} {'/'.join(s)}".strip() for (name, engine), s in sums.items()))
            if text not in self.problems:
                self.problem(text)

    # Booting

    def run_boots(self, names):
        initrd = build.build_initrd("boot.gz", [])
        for kernel, extra in BOOTS:
            for name in names:
                if name in ("native", "bochs") or self.seconds_left() < 0:
                    continue
                append = build.APPEND.replace("mitigations=off", extra).replace("  ", " ")
                machine = engines.Guest(name, [*engines.emulator(name, self.options.accel),
                                               *engines.linux_options(build.KERNELS[kernel], initrd, append)])
                try:
                    machine.start()
                    self.boots.setdefault((kernel, extra), {}).setdefault(name, []).append(machine.boot_seconds)
                except engines.EngineFailed as failure:
                    self.problem(f"boot of {kernel} {extra} on {name}: {failure}")
                finally:
                    machine.stop()

    # The whole run

    def run(self):
        options = self.options
        self.all_programs = build.find_programs()
        programs = [p for p in self.all_programs
                    if (not options.group or p.group in options.group) and (not options.program or p.name in options.program)
                    and (not options.quick or options.group or options.program or not p.not_quick)]
        with_boot = not options.program and (not options.group or "boot" in options.group)
        if not programs and not with_boot:
            build.stop("no such program or group; --list shows them")
        build.copy_morph86(options.binary)
        names = []
        for name in options.engines:
            if engines.available(name):
                names.append(name)
            else:
                self.problem(f"{name} is not there: left out")
        say("building")
        build.fetch("linux")
        build.build_programs(self.all_programs)
        build.fetch_debian()
        self.programs = programs
        self.disk = build.build_disk() if any(p.group == "io" for p in programs) else None
        self.load_at_start = os.getloadavg()[0]
        self.began = time.monotonic()
        together = [n for n in names if n != "bochs"]  # which never sleeps, so it runs alone
        if together:
            self.run_together(together, programs, with_boot)
        if "bochs" in names:
            self.run_bochs(programs)
        self.calibration_file.write_text(json.dumps(self.calibration, indent=1, sort_keys=True))
        self.programs = [p for p in programs if any((p.name, n) in self.samples for n in names)]
        self.names = names

    # Results

    def seconds_per_unit(self, program, name):
        samples = self.samples.get((program.name, name))
        if not samples:
            return None
        # The processor time of a native program's children is known only once they have ended, so groups that use some keep the wall clock.
        by_cpu = self.options.clock == "cpu" and program.group not in ("system", "apps", "io")
        return statistics.median((s.cpu if by_cpu else s.wall) / s.count for s in samples)

    def slowdown(self, program, name, base="native"):
        mine, theirs = self.seconds_per_unit(program, name), self.seconds_per_unit(program, base)
        return mine / theirs if mine and theirs else None

    def mean(self, group, name, base="native"):
        """The geometric mean of the slowdowns of a group and the number of programs in it."""
        ratios = [r for r in (self.slowdown(p, name, base) for p in self.programs if p.group == group) if r]
        return (math.exp(sum(map(math.log, ratios)) / len(ratios)), len(ratios)) if ratios else (None, 0)

    def groups(self):
        return [g for g in build.GROUPS if any(p.group == g for p in self.programs)]

    def table(self):
        others = [n for n in self.names if n != "native"]
        compare = "morph86" in others and "qemu" in others

        def text(value, unit=""):
            return "-" if value is None else f"{value:.0f}{unit}" if value >= 100 else f"{value:.2f}{unit}"

        lines = []
        room = max([len(n) for n in others] + [9])
        width = max([len(p.name) for p in self.programs] + [16])
        if self.programs:
            head = f"{'program':{width}}  {'native ms/unit':>14}" + "".join(f"  {n:>{room}}" for n in others)
            lines.append(head + ("  qemu/morph86" if compare else ""))
        for group in self.groups():
            lines.append(f"-- {group}")
            for program in (p for p in self.programs if p.group == group):
                native = self.seconds_per_unit(program, "native")
                row = f"{program.name:{width}}  {f'{native * 1e3:.4f}' if native else '-':>14}"
                for name in others:
                    ratio = self.slowdown(program, name)
                    own = self.seconds_per_unit(program, name)
                    row += f"  {text(ratio, 'x') if native else text(own * 1e3, 'ms') if own else '-':>{room}}"
                lines.append(row + (f"  {text(self.slowdown(program, 'qemu', 'morph86'), 'x'):>12}" if compare else ""))
            row = f"{'geometric mean':{width}}  {'':>14}" + "".join(f"  {text(self.mean(group, n)[0], 'x'):>{room}}" for n in others)
            lines.append(row + (f"  {text(self.mean(group, 'qemu', 'morph86')[0], 'x'):>12}" if compare else ""))
        if self.boots:
            lines.append(f"-- boot: seconds from the start of the process to the shell")
            lines.append(f"{'kernel':{width + 16}}" + "".join(f"  {n:>{room}}" for n in others))
            for (kernel, extra), seconds in self.boots.items():
                label = f"{kernel} {extra or 'with mitigations'}"
                lines.append(f"{label:{width + 16}}"
                             + "".join(f"  {text(statistics.median(seconds[n])) if n in seconds else '-':>{room}}" for n in others))
        return "\n".join(lines)

    def as_json(self):
        programs = []
        for p in self.programs:
            row = {"group": p.group, "name": p.name, "engines": {}}
            for name in self.names:
                samples = self.samples.get((p.name, name))
                if samples:
                    row["engines"][name] = {
                        "seconds_per_unit": self.seconds_per_unit(p, name), "slowdown": self.slowdown(p, name),
                        "checksum": samples[0].checksum,
                        "runs": [{"units": s.count, "wall_s": s.wall, "cpu_s": s.cpu} for s in samples]}
            programs.append(row)
        return {
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "host": describe_host(), "load_at_start": self.load_at_start,
            "accel": self.options.accel, "clock": self.options.clock, "seconds_taken": time.monotonic() - self.began,
            "versions": versions(self.names),
            "programs": programs, "problems": self.problems,
            "geometric_mean": {g: {n: self.mean(g, n)[0] for n in self.names if n != "native"} for g in self.groups()},
            "boot": [{"kernel": k, "append": a, "seconds": s} for (k, a), s in self.boots.items()]}


def describe_host():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release()}


def versions(names):
    commands = {"qemu": ["qemu-system-i386", "--version"],
                "bochs": ["dpkg-query", "-W", "-f", "Bochs ${Version}\n", "bochs"], "native": ["gcc", "--version"]}
    found = {}
    for name in names:
        try:
            command = [build.OUT / "morph86", "--version"] if engines.is_morph86(name) else commands[name]
            text = subprocess.run([str(c) for c in command], capture_output=True, text=True).stdout
        except OSError:
            text = ""
        found[name] = (text.splitlines() or ["unknown"])[0]
    return found


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/bench", description="Speed of i386 programs against this host, by engine.")
    parser.add_argument("--quick", action="store_true", help="at most 8 minutes; without Bochs unless --engines names it")
    parser.add_argument("--group", action="append", help="only this group (may be repeated): " + ", ".join(build.GROUPS + ["boot"]))
    parser.add_argument("--program", action="append", help="only this program (may be repeated)")
    parser.add_argument("--engines", "--engine", type=lambda t: t.split(","), metavar="NAME,...",
                        help="of: " + ",".join(ENGINES) + "; morph86-NAME is morph86 with -accel NAME")
    parser.add_argument("--accel", choices=ACCELS, default="jit", help="what the engine morph86 runs with (default jit)")
    parser.add_argument("--binary", metavar="FILE", type=pathlib.Path, default=build.TOP / "build/morph86",
                        help="the morph86 to measure (default build/morph86)")
    parser.add_argument("--folder", metavar="DIR", type=pathlib.Path, default=build.OUT,
                        help="where programs, images and figures go (default build/bench)")
    parser.add_argument("--repeat", type=int, help="runs per program and engine, whose median counts (default 3; quick 2)")
    parser.add_argument("--seconds", type=float, default=0.5, help="least length of a run (default 0.5)")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall",
                        help="what the ratios compare; cpu time is steadier on a busy machine, but blind to waiting")
    parser.add_argument("--json", metavar="FILE", help="write all figures (default build/bench/bench.json)")
    parser.add_argument("--footprint", action="store_true", help="start-up time and memory of the process instead of programs")
    parser.add_argument("--list", action="store_true", help="list groups and programs")
    options = parser.parse_args()
    for group in options.group or []:
        if group not in build.GROUPS + ["boot"]:
            build.stop(f"there is no group '{group}'; the groups are {', '.join(build.GROUPS + ['boot'])}")
    options.engines = options.engines or (QUICK if options.quick else ENGINES)
    for name in options.engines:
        if name not in ENGINES + [f"morph86-{accel}" for accel in ACCELS]:
            build.stop(f"there is no engine '{name}'; the engines are {', '.join(ENGINES)}")
    if options.list:
        for program in build.find_programs():
            print(f"{program.group:10} {program.name}")
        return 0
    build.work_in(options.folder.absolute())
    options.repeat = options.repeat or (2 if options.quick else 3)
    options.budget = 440 if options.quick else 0  # the rest is for the run that has begun and for building
    build.OUT.mkdir(parents=True, exist_ok=True)
    output = options.json or build.OUT / ("footprint.json" if options.footprint else "bench.json")
    if options.footprint:
        result = footprint.measure(options)
        print(footprint.table(result))
    else:
        bench = Bench(options)
        bench.run()
        print(bench.table())
        result = bench.as_json()
        for text in bench.problems:
            print(f"problem: {text}")
        print(f"load average at the start {bench.load_at_start:.1f} on {os.cpu_count()} processors; {result['seconds_taken']:.0f} s")
    with open(output, "w") as out:
        json.dump(result, out, indent=1)
        out.write("\n")
    say(f"all figures are in {output}")
    return 0


sys.exit(main())
