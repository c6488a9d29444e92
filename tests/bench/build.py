"""Builds what the bench runs: the i386 programs, the guest's initrd, the CD image for Bochs and the disk image.

A program's source says in its first comment what it is:
    Bench: GROUP NAME [compiler option...] [+script.py] [guest-only] [not-quick]
Several lines make several programs of one source. +script.py prints assembly that is linked with the program.
"""
import gzip
import hashlib
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
OUT = TOP / "build" / "bench"
GUESTS = TOP / "build" / "guests"

GROUPS = ["integer", "calls", "x87", "simd", "strings", "memory", "system", "smc", "segments", "io", "apps"]

BASE_FLAGS = ("-m32 -std=gnu17 -O2 -ffreestanding -nostdlib -static -fno-pie -no-pie -fno-stack-protector -fno-strict-aliasing"
              " -fcf-protection=none -fno-asynchronous-unwind-tables -fno-math-errno -Wall -Wextra -Werror -Wl,--build-id=none"
              " -Wl,-z,noexecstack").split()
GROUP_FLAGS = {
    # No SSE outside its group, so that the x87 is measured and the others depend on no vectoriser.
    "x87": "-march=pentium3 -mno-sse -mfpmath=387".split(),
    "simd": "-march=pentium4 -mfpmath=sse".split(),
}
OTHER_FLAGS = "-march=i686 -mtune=generic -mfpmath=387".split()

KERNELS = {"686": GUESTS / "vmlinuz-686", "686-pae": GUESTS / "vmlinuz-686-pae"}
# In loading order.
MODULES = ["scsi_common", "scsi_mod", "libata", "ata_piix", "crct10dif_common", "crct10dif_generic", "crc-t10dif", "crc64",
           "crc64_rocksoft_generic", "crc64-rocksoft", "t10-pi", "sd_mod"]
APPEND = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr"


class Program:
    def __init__(self, group, name, source, options):
        self.group, self.name, self.source = group, name, source
        self.guest_only = "guest-only" in options
        self.not_quick = "not-quick" in options
        self.script = next((o[1:] for o in options if o.startswith("+")), None)
        self.flags = [o for o in options if o.startswith("-")]
        self.path = OUT / "bin" / name


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def stop(text):
    sys.exit(f"bench: {text}")


def find_programs():
    programs = []
    for source in sorted(HERE.glob("programs/*/*.c")):
        for match in re.finditer(r"Bench: (\S+) (\S+)([^\n*]*)", source.read_text()):
            if match[1] not in GROUPS:
                stop(f"{source}: there is no group '{match[1]}'")
            programs.append(Program(match[1], match[2], source, match[3].split()))
    programs.sort(key=lambda p: GROUPS.index(p.group))
    names = [p.name for p in programs]
    for name in names:
        if names.count(name) > 1:
            stop(f"two programs are called '{name}'")
    return programs


def run(command, **more):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    if result.returncode:
        stop(f"{' '.join(str(c) for c in command)}\n{result.stderr}")
    return result.stdout


def is_current(target, key):
    """True if the target was made from the inputs that this key stands for; otherwise remember() is called after making it."""
    stamp = target.with_name(target.name + ".key")
    return target.exists() and stamp.exists() and stamp.read_text() == key


def remember(target, key):
    target.with_name(target.name + ".key").write_text(key)


def key_of(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def build_programs(programs):
    compiler = os.environ.get("CC", "gcc")
    (OUT / "bin").mkdir(parents=True, exist_ok=True)
    (OUT / "generated").mkdir(exist_ok=True)
    common = b"".join(p.read_bytes() for p in sorted(HERE.glob("rt/*")) + sorted(HERE.glob("programs/*/*.h")))
    for program in programs:
        flags = BASE_FLAGS + GROUP_FLAGS.get(program.group, OTHER_FLAGS) + program.flags
        inputs = [program.source, HERE / "rt/rt.c"]
        script_text = b""
        if program.script:
            script = program.source.with_name(program.script)
            script_text = script.read_bytes()
        key = key_of(compiler, flags, common, program.source.read_bytes(), script_text)
        if is_current(program.path, key):
            continue
        if program.script:
            generated = OUT / "generated" / (program.name + ".s")
            generated.write_text(run([sys.executable, script]))
            inputs.append(generated)
        run([compiler, *flags, "-I", HERE / "rt", "-o", program.path, *inputs])
        remember(program.path, key)


def busybox():
    return GUESTS / "pkg/busybox-static/bin/busybox"


def native_folder(programs):
    """A folder that looks to a program like /bench in the guest."""
    folder = OUT / "native"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "busybox"
    if not link.exists():
        link.symlink_to(busybox())
    (folder / "text.xz").write_bytes(text_xz())
    for program in programs:
        link = folder / program.name
        if not link.is_symlink():
            link.symlink_to(program.path)
    return folder


def text_xz():
    """Input of the xz_decompress program, which BusyBox cannot make itself: 256 KiB of words from a linear congruential generator."""
    state, words = 1, []
    for _ in range(43000):
        state = (state * 1103515245 + 12345) & 0x7fffffff
        words.append(b"%05x" % ((state >> 8) % 3000 * 349))
    return lzma.compress(b" ".join(words), preset=6)


def newc(entries):
    """A cpio archive, newc format, of (path, mode, bytes)."""
    out = bytearray()
    for number, (path, mode, data) in enumerate(entries + [("TRAILER!!!", 0, b"")]):
        name = path.encode() + b"\0"
        fields = [number + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        out += b"070701" + b"".join(b"%08X" % f for f in fields) + name
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def modules_of(flavour):
    found = []
    folder = next(iter(sorted(GUESTS.glob(f"pkg/linux-image-*-{flavour}/lib/modules/*"))), None)
    for name in MODULES if folder else []:
        at = next(iter(folder.rglob(name + ".ko")), None)
        if at:
            found.append((name, at.read_bytes()))
    return found


def build_initrd(name, programs, flavour="686"):
    """The guest's initrd. Without programs it is the small one that the boot group starts."""
    folders = ["bin", "proc", "sys", "dev", "tmp", "bench", "bench/tmp", "lib"]
    entries = [(folder, 0o040755, b"") for folder in folders]
    entries.append(("init", 0o100755, (HERE / "guest-init").read_bytes()))
    entries.append(("bin/busybox", 0o100755, busybox().read_bytes()))
    entries.append(("bench/busybox", 0o120777, b"/bin/busybox"))
    if programs:
        entries += [(f"bench/{p.name}", 0o100755, p.path.read_bytes()) for p in programs]
        entries.append(("bench/text.xz", 0o100644, text_xz()))
        modules = modules_of(flavour)
        entries += [(f"lib/{module}.ko", 0o100644, data) for module, data in modules]
        entries.append(("lib/order", 0o100644, "".join(m + "\n" for m, _ in modules).encode()))
    target = OUT / name
    archive = newc(entries)
    key = key_of(archive)
    if not is_current(target, key):
        target.write_bytes(gzip.compress(archive, 9, mtime=0) if name.endswith(".gz") else archive)
        remember(target, key)
    return target


def build_iso(kernel, initrd):
    """A CD that boots the kernel with ISOLINUX, for an emulator that has no -kernel."""
    target = OUT / "bench.iso"
    key = key_of(kernel.read_bytes(), initrd.read_bytes(), APPEND)
    if is_current(target, key):
        return target
    fetch("isolinux", "syslinux-common")
    tree = OUT / "iso"
    (tree / "isolinux").mkdir(parents=True, exist_ok=True)
    for source, name in [(GUESTS / "pkg/isolinux/usr/lib/ISOLINUX/isolinux.bin", "isolinux/isolinux.bin"),
                         (GUESTS / "pkg/syslinux-common/usr/lib/syslinux/modules/bios/ldlinux.c32", "isolinux/ldlinux.c32"),
                         (kernel, "isolinux/linux"), (initrd, "isolinux/initrd")]:
        (tree / name).write_bytes(source.read_bytes())
    (tree / "isolinux/isolinux.cfg").write_text(
        f"default bench\nprompt 0\nlabel bench\n kernel linux\n initrd initrd\n append {APPEND}\n")
    run(["xorriso", "-as", "mkisofs", "-quiet", "-o", target, "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat",
         "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree])
    remember(target, key)
    return target


def build_disk():
    """The disk image of the io group: 64 MiB that do not compress to a hole."""
    target = OUT / "disk.img"
    size = 64 << 20
    if not target.exists() or target.stat().st_size != size:
        with open(target, "wb") as out:
            for block in range(size >> 12):
                out.write(hashlib.sha256(b"%d" % block).digest() * 128)
    return target


def build_exit_bios():
    """Firmware that ends the machine with its first two instructions: mov al, 0; out 0xf4, al."""
    target = OUT / "exit.bios"
    image = bytearray(b"\xf4" * 65536)
    image[0xfff0:0xfff4] = b"\xb0\x00\xe6\xf4"
    target.write_bytes(image)
    return target


def copy_morph86():
    """A copy to measure, so that a build meanwhile changes nothing."""
    shutil.copy2(TOP / "build/morph86", OUT / "morph86")


def fetch(*packages):
    run(["sh", TOP / "tests/boot/guests.sh", *packages])
