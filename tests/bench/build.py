"""Builds what the bench runs: the i386 programs, the guest's initrd, the CD image for Bochs and the disk image.

A program's source says in its first comment what it is:
    Bench: GROUP NAME [compiler option...] [+script.py] [guest-only] [not-quick]
Several lines make several programs of one source. +script.py prints assembly that is linked with the program.

The programs of the group modes are the rows of metal/metal.c: they run without an operating system and are one disk image together.
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

GROUPS = ["integer", "calls", "x87", "simd", "strings", "memory", "system", "smc", "segments", "modes", "io", "apps"]

BASE_FLAGS = ("-m32 -std=gnu17 -O2 -ffreestanding -nostdlib -static -fno-pie -no-pie -fno-stack-protector -fno-strict-aliasing"
              " -fcf-protection=none -fno-asynchronous-unwind-tables -fno-math-errno -Wall -Wextra -Werror -Wl,--build-id=none"
              " -Wl,-z,noexecstack").split()
GROUP_FLAGS = {
    # No SSE outside its group, so that the x87 is measured and the others depend on no vectoriser.
    "x87": "-march=pentium3 -mno-sse -mfpmath=387".split(),
    "simd": "-march=pentium4 -mfpmath=sse".split(),
}
OTHER_FLAGS = "-march=i686 -mtune=generic -mfpmath=387".split()

# As tests/guest builds its kernel.
METAL_KERNEL = TOP / "tests/guest/kernel"
METAL_FLAGS = ("-m32 -march=i486 -O2 -std=gnu17 -ffreestanding -nostdlib -fno-pic -fno-pie -fno-stack-protector"
               " -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -fno-delete-null-pointer-checks -mno-sse"
               " -mgeneral-regs-only -Wall -Wextra -Werror -Wno-unused-parameter -Wno-array-bounds").split()
METAL_IMAGE_SIZE = 2064384  # whole cylinders of 16 heads and 63 sectors, as Bochs wants it

# Real programs for the apps group, from i386 packages: run by the loader that comes with them, with its libraries beside it.
DEBIAN = {
    "libc6": ["lib/i386-linux-gnu/ld-linux.so.2", "lib/i386-linux-gnu/libc.so.6", "lib/i386-linux-gnu/libm.so.6"],
    "libcrypt1": ["lib/i386-linux-gnu/libcrypt.so.1"],
    "libreadline8": ["lib/i386-linux-gnu/libreadline.so.8"],
    "libtinfo6": ["lib/i386-linux-gnu/libtinfo.so.6"],
    "zlib1g": ["lib/i386-linux-gnu/libz.so.1"],
    "libsqlite3-0": ["usr/lib/i386-linux-gnu/libsqlite3.so.0"],
    "sqlite3": ["usr/bin/sqlite3"],
    "perl-base": ["usr/bin/perl"],
}

KERNELS = {"686": GUESTS / "vmlinuz-686", "686-pae": GUESTS / "vmlinuz-686-pae"}
# In loading order.
MODULES = ["scsi_common", "scsi_mod", "libata", "ata_piix", "crct10dif_common", "crct10dif_generic", "crc-t10dif", "crc64",
           "crc64_rocksoft_generic", "crc64-rocksoft", "t10-pi", "sd_mod"]
APPEND = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr"


def work_in(folder):
    """Everything that is built or written goes to this folder (default build/bench)."""
    global OUT
    OUT = folder


class Program:
    def __init__(self, group, name, source, options):
        self.group, self.name, self.source = group, name, source
        self.result = name  # programs with the same result must have the same checksum
        self.machine = "metal" if "metal" in options else "linux"
        self.guest_only = "guest-only" in options or self.machine == "metal"
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
    source = HERE / "metal/metal.c"
    for match in re.finditer(r'\{"(\w+)", in_\w+, (loop_\w+)\}', source.read_text()):
        programs.append(Program("modes", match[1], source, ["metal"]))
        programs[-1].result = match[2]
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
    for program in on_linux(programs):
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


def on_linux(programs):
    return [p for p in programs if p.machine == "linux"]


def build_metal():
    """The disk image of the modes group: the kernel of tests/guest with our loops."""
    target = OUT / "metal.img"
    compiler = os.environ.get("CC", "gcc")
    folder = OUT / "metal"
    ours = HERE / "metal"
    sources = [METAL_KERNEL / name for name in ("boot.S", "entry.S", "kernel.c")] + [ours / name for name in ("entry.S", "metal.c", "loops.c")]
    others = sorted(METAL_KERNEL.glob("*.h")) + sorted(ours.glob("*.h")) + [METAL_KERNEL / "guest.ld"]
    key = key_of(compiler, METAL_FLAGS, *(p.read_bytes() for p in sources + others))
    if is_current(target, key):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    objects = []
    for number, source in enumerate(sources):
        objects.append(folder / f"{number}.o")
        run([compiler, *METAL_FLAGS, "-I", METAL_KERNEL, "-I", ours, "-c", source, "-o", objects[-1]])
    run([compiler, "-E", "-P", "-x", "c", METAL_KERNEL / "guest.ld", "-o", folder / "metal.ld"])
    run(["ld", "-m", "elf_i386", "-T", folder / "metal.ld", "-o", folder / "metal.elf", *objects])
    run(["objcopy", "-O", "binary", folder / "metal.elf", target])
    image = target.read_bytes()
    target.write_bytes(image + b"\0" * (METAL_IMAGE_SIZE - len(image)))
    remember(target, key)
    return target


def fetch_debian():
    fetch(*(name + ":i386" for name in DEBIAN))


def debian_files():
    """(name, mode, bytes) of what the programs of the apps group find in debian/."""
    found = [(pathlib.Path(path).name, 0o100755, (GUESTS / "pkg" / package / path).read_bytes())
             for package, paths in DEBIAN.items() for path in paths]
    return found + [(p.name, 0o100644, p.read_bytes()) for p in sorted(HERE.glob("programs/apps/debian/*"))]


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
    (folder / "debian").mkdir(exist_ok=True)
    for name, mode, data in debian_files():
        file = folder / "debian" / name
        if not file.exists() or file.read_bytes() != data:
            file.write_bytes(data)
            file.chmod(mode & 0o777)
    for program in on_linux(programs):
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
        entries += [(f"bench/{p.name}", 0o100755, p.path.read_bytes()) for p in on_linux(programs)]
        entries.append(("bench/debian", 0o040755, b""))
        entries += [(f"bench/debian/{file}", mode, data) for file, mode, data in debian_files()]
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


def copy_for(name, image):
    """The image as one emulator's own: some lock what they open."""
    copy = OUT / f"{image.stem}-{name}.img"
    shutil.copyfile(image, copy)
    return copy


def build_exit_bios():
    """Firmware that ends the machine with its first two instructions: mov al, 0; out 0xf4, al."""
    target = OUT / "exit.bios"
    image = bytearray(b"\xf4" * 65536)
    image[0xfff0:0xfff4] = b"\xb0\x00\xe6\xf4"
    target.write_bytes(image)
    return target


def copy_morph86(binary):
    """A copy to measure, so that a build meanwhile changes nothing. Without the binary there is none, and no such engine."""
    copy, new = OUT / "morph86", OUT / "morph86.new"
    if binary.exists():
        shutil.copy2(binary, new)
        new.replace(copy)
    else:
        copy.unlink(missing_ok=True)


def fetch(*packages):
    run(["sh", TOP / "tests/boot/guests.sh", *packages])
