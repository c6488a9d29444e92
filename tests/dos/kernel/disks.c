/* INT 13h on the hard disk, and the floppy controller by its ports with DMA channel 2. */
#include "dos.h"

static uint8_t sector_a[512], sector_b[512];

static bool is_equal(const uint8_t *a, const uint8_t *b)
{
    for (unsigned i = 0; i < 512; i++) {
        if (a[i] != b[i])
            return false;
    }
    return true;
}

/* INT 13h with a packet: read (42h) or write (43h) one sector. */
static bool by_lba(uint8_t function, uint8_t drive, uint32_t lba, uint8_t *buffer)
{
    static struct {
        uint8_t size, zero;
        uint16_t count, offset, segment;
        uint32_t lba_low, lba_high;
    } packet;
    struct bios_regs r = {.eax = (uint32_t)function << 8, .edx = drive, .esi = (uint32_t)&packet};

    packet.size = 16;
    packet.count = 1;
    packet.offset = (uint16_t)(uint32_t)buffer;
    packet.segment = 0;
    packet.lba_low = lba;
    packet.lba_high = 0;
    bios(0x13, &r);
    return !(r.flags & CARRY);
}

static struct bios_regs by_chs(uint8_t function, uint8_t drive, unsigned c, unsigned h, unsigned s, uint8_t *buffer)
{
    struct bios_regs r = {.eax = (uint32_t)function << 8 | 1,
                          .ecx = (c & 0xff) << 8 | (c >> 8) << 6 | s,
                          .edx = h << 8 | drive,
                          .ebx = (uint32_t)buffer};

    bios(0x13, &r);
    return r;
}

static void check_hard_disk(void)
{
    struct bios_regs r = {.eax = 0x0800, .edx = 0x80};
    unsigned heads, sectors, lba = 700;

    bios(0x13, &r);
    heads = (r.edx >> 8 & 0xff) + 1;
    sectors = r.ecx & 0x3f;
    check(!(r.flags & CARRY) && sectors == 63 && heads == 16, "int13_08_tells_the_geometry", heads << 8 | sectors);
    r = (struct bios_regs){.eax = 0x4100, .ebx = 0x55aa, .edx = 0x80};
    bios(0x13, &r);
    check(!(r.flags & CARRY) && (r.ebx & 0xffff) == 0xaa55 && (r.ecx & 1), "int13_41_has_extensions", r.ecx);

    r = by_chs(2, 0x80, 0, 0, 1, sector_a);
    check(!(r.flags & CARRY) && sector_a[510] == 0x55 && sector_a[511] == 0xaa, "int13_02_reads_the_boot_sector",
          sector_a[510]);
    check(by_lba(0x42, 0x80, 0, sector_b) && is_equal(sector_a, sector_b), "int13_42_reads_the_same", 0);
    for (unsigned i = 0; i < 512; i++)
        sector_a[i] = (uint8_t)(i * 7 + (i >> 8));
    r = by_chs(3, 0x80, lba / (heads * sectors), lba / sectors % heads, lba % sectors + 1, sector_a);
    check(!(r.flags & CARRY), "int13_03_writes", r.eax);
    check(by_lba(0x42, 0x80, lba, sector_b) && is_equal(sector_a, sector_b), "a_sector_written_by_chs_reads_by_lba",
          sector_b[1]);
    for (unsigned i = 0; i < 512; i++)
        sector_a[i] ^= 0xff;
    check(by_lba(0x43, 0x80, lba + 1, sector_a), "int13_43_writes", 0);
    lba++;
    r = by_chs(2, 0x80, lba / (heads * sectors), lba / sectors % heads, lba % sectors + 1, sector_b);
    check(!(r.flags & CARRY) && is_equal(sector_a, sector_b), "a_sector_written_by_lba_reads_by_chs", sector_b[1]);
    r = by_chs(2, 0x80, 1000, 0, 1, sector_b);
    check((r.flags & CARRY) && (r.eax & 0xff00), "int13_02_refuses_a_far_cylinder", r.eax);
    check(!by_lba(0x42, 0x80, 0x10000000, sector_b), "int13_42_refuses_a_far_sector", 0);
}

/* ---- floppy controller ---- */

#define FDC_STATUS 0x3f4
#define FDC_DATA   0x3f5

static volatile bool floppy_irq;

void floppy_done(void)
{
    floppy_irq = true;
    outb(0x20, 0x20);
}

static bool wait_for_floppy_irq(void)
{
    uint16_t start = peek_word(0x40, 0x6c);

    while (!floppy_irq && (uint16_t)(peek_word(0x40, 0x6c) - start) < 18 * 5)
        ;
    return floppy_irq;
}

static void fdc_send(uint8_t byte)
{
    for (unsigned i = 0; i < 100000 && (inb(FDC_STATUS) & 0xc0) != 0x80; i++)
        ;
    outb(FDC_DATA, byte);
}

static uint8_t fdc_result(void)
{
    for (unsigned i = 0; i < 100000 && (inb(FDC_STATUS) & 0xc0) != 0xc0; i++)
        ;
    return inb(FDC_DATA);
}

/* Channel 2: single transfers, address rising. `mode`: 44 device to memory, 48 memory to device. */
static void start_dma(uint32_t address, uint16_t n_bytes, uint8_t mode)
{
    outb(0x0a, 0x06); /* masked while it changes */
    outb(0x0c, 0);
    outb(0x0b, mode | 2);
    outb(0x04, (uint8_t)address);
    outb(0x04, (uint8_t)(address >> 8));
    outb(0x81, (uint8_t)(address >> 16));
    outb(0x05, (uint8_t)(n_bytes - 1));
    outb(0x05, (uint8_t)((n_bytes - 1) >> 8));
    outb(0x0a, 0x02);
}

static bool fdc_transfer(uint8_t command, unsigned c, unsigned h, unsigned s, unsigned end_of_track)
{
    uint8_t st0;

    floppy_irq = false;
    fdc_send(command);
    fdc_send((uint8_t)(h << 2));
    fdc_send((uint8_t)c);
    fdc_send((uint8_t)h);
    fdc_send((uint8_t)s);
    fdc_send(2);
    fdc_send((uint8_t)end_of_track);
    fdc_send(0x1b);
    fdc_send(0xff);
    if (!wait_for_floppy_irq())
        return false;
    st0 = fdc_result();
    for (unsigned i = 0; i < 6; i++)
        (void)fdc_result();
    return (st0 & 0xc0) == 0;
}

static void check_floppy(void)
{
    uint32_t buffer = 0x20000, wrong = 0, old, count;
    struct bios_regs r = by_chs(2, 0, 0, 0, 1, sector_a);
    uint8_t st0, cylinder;

    if (r.flags & CARRY) /* the first access after a disk change fails, as DOS knows */
        r = by_chs(2, 0, 0, 0, 1, sector_a);
    check(!(r.flags & CARRY) && sector_a[0] == 'L', "int13_02_reads_the_floppy", r.eax);
    old = hook(0x0e, floppy_entry);
    floppy_irq = false;
    outb(0x3f2, 0x00);
    outb(0x3f2, 0x1c);
    check(wait_for_floppy_irq(), "a_reset_of_the_floppy_controller_interrupts", 0);
    for (unsigned i = 0; i < 4; i++) {
        fdc_send(0x08);
        (void)fdc_result();
        (void)fdc_result();
    }
    outb(0x3f7, 0);
    fdc_send(0x03); /* specify */
    fdc_send(0xaf);
    fdc_send(0x02);
    floppy_irq = false;
    fdc_send(0x0f); /* seek cylinder 3 */
    fdc_send(0);
    fdc_send(3);
    wait_for_floppy_irq();
    fdc_send(0x08);
    st0 = fdc_result();
    cylinder = fdc_result();
    check((st0 & 0xe0) == 0x20 && cylinder == 3, "a_seek_ends_at_its_cylinder", (uint32_t)st0 << 8 | cylinder);

    for (unsigned i = 0; i < 1024; i++)
        poke(0x2000, (uint16_t)i, 0xee);
    start_dma(buffer, 1024, 0x44);
    check(fdc_transfer(0xe6, 3, 0, 1, 18), "a_read_of_two_sectors_ends_well", 0);
    /* Each sector of the image starts with a line "L<number>". */
    check(peek(0x2000, 0) == 'L' && peek(0x2000, 512) == 'L', "dma_channel_2_filled_two_sectors", peek(0x2000, 512));
    outb(0x0c, 0);
    count = inb(0x05);
    count |= (uint32_t)inb(0x05) << 8;
    check(inb(0x08) & 0x04 || count == 0xffff, "channel_2_reached_terminal_count", count);
    unhook(0x0e, old);
    r = by_chs(2, 0, 3, 0, 2, sector_b);
    for (unsigned i = 0; i < 512; i++)
        wrong += sector_b[i] != peek(0x2000, (uint16_t)(512 + i));
    check(!(r.flags & CARRY) && wrong == 0, "the_bios_reads_what_dma_brought", wrong);
}

void check_disks(void)
{
    check_hard_disk();
    check_floppy();
}
