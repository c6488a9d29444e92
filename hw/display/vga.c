/*
 * VGA registers. Source: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"; IBM VGA XGA manual.
 * Deviates: no vertical retrace interrupt (IRQ 2), no light pen, no diagnostic bits in input status 1; the card answers
 * its old addresses whatever the PCI command register says, as the other virtual VGA cards do.
 */
#include "hw/display/vga_internal.h"

#include <string.h>
#include <sys/mman.h>

enum vga_port { /* offsets from 3B0 */
                PORT_MONO_CRTC_INDEX = 0x04,
                PORT_MONO_CRTC_DATA = 0x05,
                PORT_MONO_STATUS_1 = 0x0a,
                PORT_ATTR_INDEX = 0x10,
                PORT_ATTR_READ = 0x11,
                PORT_MISC_WRITE = 0x12, /* reads: input status 0 */
                PORT_SEQ_INDEX = 0x14,
                PORT_SEQ_DATA = 0x15,
                PORT_DAC_MASK = 0x16,
                PORT_DAC_READ_INDEX = 0x17, /* reads: DAC state */
                PORT_DAC_WRITE_INDEX = 0x18,
                PORT_DAC_DATA = 0x19,
                PORT_FEATURE_READ = 0x1a,
                PORT_MISC_READ = 0x1c,
                PORT_GC_INDEX = 0x1e,
                PORT_GC_DATA = 0x1f,
                PORT_COLOR_CRTC_INDEX = 0x24,
                PORT_COLOR_CRTC_DATA = 0x25,
                PORT_COLOR_STATUS_1 = 0x2a,
};

#define STATUS_0_SENSE            0x10 /* a colour monitor answers */
#define STATUS_1_DISPLAY_DISABLED 0x01
#define STATUS_1_VERTICAL_RETRACE 0x08
#define DAC_STATE_READ            0x03
#define DAC_STATE_WRITE           0x00

static const struct state_field vga_fields[] = {
    STATE_REG(struct vga, misc, 0, "Miscellaneous Output"),
    STATE_REG(struct vga, feature, 0, "Feature Control"),
    STATE_REG(struct vga, seq_index, 0, "Sequencer Address"),
    STATE_ARRAY(struct vga, seq, 0, "Sequencer"),
    STATE_REG(struct vga, gc_index, 0, "Graphics Controller Address"),
    STATE_ARRAY(struct vga, gc, 0, "Graphics Controller"),
    STATE_REG(struct vga, crtc_index, 0, "CRTC Address"),
    STATE_ARRAY(struct vga, crtc, 0, "CRTC"),
    STATE_REG(struct vga, attr_index, 0, "Attribute Address"),
    STATE_ARRAY(struct vga, attr, 0, "Attribute Controller"),
    STATE_REG(struct vga, attr_expects_data, 0, "3C0 flip-flop"),
    STATE_REG(struct vga, dac_mask, 0xff, "PEL Mask"),
    STATE_REG(struct vga, dac_state, 0, "DAC State"),
    STATE_REG(struct vga, dac_read_index, 0, "PEL Address, read mode"),
    STATE_REG(struct vga, dac_write_index, 0, "PEL Address, write mode"),
    STATE_REG(struct vga, dac_component, 0, "red, green or blue comes next"),
    STATE_ARRAY(struct vga, dac_pending, 0, "red and green of a half-written colour"),
    STATE_BLOB(struct vga, dac, 0, "palette"),
    STATE_REG(struct vga, latch, 0, "read latches"),
    STATE_REG(struct vga, dispi_index, 0, "VBE_DISPI index"),
    STATE_ARRAY(struct vga, dispi, 0, "VBE_DISPI registers"),
    PCI_STATE(struct vga, pci),
    STATE_BLOB(struct vga, memory, 0, "video memory"), /* last: see vga_reset() */
};
static const struct state_desc vga_desc = STATE_DESC("vga", vga_fields);

/* ---- timing ---- */

/* A vertical count: low byte from one register, bits 8 and 9 from the overflow register. */
static unsigned vertical(const struct vga *vga, unsigned index, unsigned bit_8, unsigned bit_9)
{
    uint8_t overflow = vga->crtc[CRTC_OVERFLOW];

    return vga->crtc[index] | (overflow >> bit_8 & 1u) << 8 | (overflow >> bit_9 & 1u) << 9;
}

unsigned vga_display_lines(const struct vga *vga)
{
    return vertical(vga, CRTC_VERTICAL_DISPLAY_END, 1, 6) + 1;
}

struct vga_timing vga_timing(const struct vga *vga)
{
    static const struct vga_timing plausible = {.frame_ns = NS_PER_SECOND / 60,
                                                .lines = 525,
                                                .display_lines = 480,
                                                .retrace_start = 490,
                                                .retrace_end = 492,
                                                .characters = 100,
                                                .display_characters = 80};
    struct vga_timing t;
    int64_t clock_hz = (vga->misc & MISC_CLOCK) == 0x04 ? 28322000 : 25175000;
    unsigned dots = vga->seq[SEQ_CLOCKING_MODE] & SEQ_CLOCKING_8_DOTS ? 8 : 9;

    if (vga->seq[SEQ_CLOCKING_MODE] & SEQ_CLOCKING_HALF)
        dots *= 2;
    t.characters = vga->crtc[CRTC_HORIZONTAL_TOTAL] + 5u;
    t.display_characters = vga->crtc[CRTC_HORIZONTAL_DISPLAY_END] + 1u;
    t.lines = vertical(vga, CRTC_VERTICAL_TOTAL, 0, 5) + 2;
    t.display_lines = vga_display_lines(vga);
    t.retrace_start = vertical(vga, CRTC_VERTICAL_RETRACE_START, 2, 7);
    t.retrace_end = (t.retrace_start & ~0xfu) | (vga->crtc[CRTC_VERTICAL_RETRACE_END] & 0xf);
    if (t.retrace_end <= t.retrace_start)
        t.retrace_end += 16;
    t.frame_ns = (int64_t)t.characters * t.lines * dots * NS_PER_SECOND / clock_hz;
    if (vbe_is_on(vga) || t.display_lines > t.lines || t.retrace_start < t.display_lines || t.retrace_end > t.lines ||
        t.display_characters > t.characters || t.frame_ns < 2 * NS_PER_MS || t.frame_ns > 200 * NS_PER_MS)
        return plausible; /* a guest that waits for the retrace must see one */
    return t;
}

static uint8_t input_status_1(const struct vga *vga)
{
    struct vga_timing t = vga_timing(vga);
    int64_t lines_done = clock_now_ns(vga->clock) % t.frame_ns * t.lines;
    unsigned line = (unsigned)(lines_done / t.frame_ns);
    unsigned character = (unsigned)(lines_done % t.frame_ns * t.characters / t.frame_ns);
    uint8_t status = 0;

    if (line >= t.display_lines || character >= t.display_characters)
        status |= STATUS_1_DISPLAY_DISABLED;
    if (line >= t.retrace_start && line < t.retrace_end)
        status |= STATUS_1_VERTICAL_RETRACE | STATUS_1_DISPLAY_DISABLED;
    return status;
}

/* ---- indexed registers ---- */

static void write_sequencer(struct vga *vga, uint8_t value)
{
    static const uint8_t writable[SEQ_REGISTERS] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};

    vga->seq[vga->seq_index] = value & writable[vga->seq_index];
    vga_update_aperture(vga);
}

static void write_graphics(struct vga *vga, uint8_t value)
{
    static const uint8_t writable[GC_REGISTERS] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};

    vga->gc[vga->gc_index] = value & writable[vga->gc_index];
    vga_update_aperture(vga);
}

static void write_crtc(struct vga *vga, uint8_t value)
{
    unsigned index = vga->crtc_index;

    if (index >= CRTC_REGISTERS)
        return;
    if ((vga->crtc[CRTC_VERTICAL_RETRACE_END] & CRTC_RETRACE_END_PROTECT) && index <= CRTC_OVERFLOW) {
        if (index != CRTC_OVERFLOW)
            return;
        value = (uint8_t)((vga->crtc[index] & ~CRTC_OVERFLOW_LINE_COMPARE) | (value & CRTC_OVERFLOW_LINE_COMPARE));
    }
    vga->crtc[index] = value;
    vga->has_changed = true;
}

static void write_attribute(struct vga *vga, uint8_t value)
{
    static const uint8_t writable[ATTR_REGISTERS] = {
        0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
        0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f,
    };
    unsigned index = vga->attr_index & 0x1f;

    vga->attr_expects_data = !vga->attr_expects_data;
    vga->has_changed = true;
    if (vga->attr_expects_data) {
        vga->attr_index = value & 0x3f;
        return;
    }
    if (index >= ATTR_REGISTERS || (index < ATTR_MODE && (vga->attr_index & ATTR_INDEX_PAS)))
        return;
    vga->attr[index] = value & writable[index];
}

/* ---- DAC ---- */

static void write_dac(struct vga *vga, uint8_t value)
{
    if (!(vga->dispi[DISPI_ENABLE] & DISPI_ENABLE_8BIT_DAC))
        value &= 0x3f;
    if (vga->dac_component < 2) {
        vga->dac_pending[vga->dac_component++ & 1] = value;
        return;
    }
    uint8_t *colour = vga->dac + 3 * vga->dac_write_index++;

    colour[0] = vga->dac_pending[0];
    colour[1] = vga->dac_pending[1];
    colour[2] = value;
    vga->dac_component = 0;
    vga->has_changed = true;
}

static uint8_t read_dac(struct vga *vga)
{
    uint8_t value = vga->dac[3 * vga->dac_read_index + vga->dac_component % 3];

    if (++vga->dac_component >= 3) {
        vga->dac_component = 0;
        vga->dac_read_index++;
    }
    return value;
}

/* ---- ports ---- */

/* The CRTC and status ports move between 3Bx and 3Dx; the other set is not there. */
static bool answers(const struct vga *vga, uint32_t offset)
{
    if (offset < PORT_ATTR_INDEX)
        return !(vga->misc & MISC_COLOR);
    return offset < 0x20 || (vga->misc & MISC_COLOR);
}

uint8_t vga_read_port(struct vga *vga, uint32_t offset)
{
    if (!answers(vga, offset))
        return 0xff;
    switch (offset) {
    case PORT_ATTR_INDEX:
        return vga->attr_expects_data ? 0 : vga->attr_index;
    case PORT_ATTR_READ:
        return (vga->attr_index & 0x1f) < ATTR_REGISTERS ? vga->attr[vga->attr_index & 0x1f] : 0;
    case PORT_MISC_WRITE:
        return STATUS_0_SENSE;
    case PORT_SEQ_INDEX:
        return vga->seq_index;
    case PORT_SEQ_DATA:
        return vga->seq[vga->seq_index];
    case PORT_DAC_MASK:
        return vga->dac_mask;
    case PORT_DAC_READ_INDEX:
        return vga->dac_state;
    case PORT_DAC_WRITE_INDEX:
        return vga->dac_write_index;
    case PORT_DAC_DATA:
        return read_dac(vga);
    case PORT_FEATURE_READ:
        return vga->feature;
    case PORT_MISC_READ:
        return vga->misc;
    case PORT_GC_INDEX:
        return vga->gc_index;
    case PORT_GC_DATA:
        return vga->gc[vga->gc_index];
    case PORT_MONO_CRTC_INDEX:
    case PORT_COLOR_CRTC_INDEX:
        return vga->crtc_index;
    case PORT_MONO_CRTC_DATA:
    case PORT_COLOR_CRTC_DATA:
        return vga->crtc_index < CRTC_REGISTERS ? vga->crtc[vga->crtc_index] : 0;
    case PORT_MONO_STATUS_1:
    case PORT_COLOR_STATUS_1:
        vga->attr_expects_data = false;
        return input_status_1(vga);
    default:
        return 0xff;
    }
}

void vga_write_port(struct vga *vga, uint32_t offset, uint8_t value)
{
    if (!answers(vga, offset))
        return;
    switch (offset) {
    case PORT_ATTR_INDEX:
        write_attribute(vga, value);
        break;
    case PORT_MISC_WRITE:
        vga->misc = value & 0xef;
        vga_update_aperture(vga);
        break;
    case PORT_SEQ_INDEX:
        vga->seq_index = value & 7;
        break;
    case PORT_SEQ_DATA:
        write_sequencer(vga, value);
        break;
    case PORT_DAC_MASK:
        vga->dac_mask = value;
        vga->has_changed = true;
        break;
    case PORT_DAC_READ_INDEX:
        vga->dac_read_index = value;
        vga->dac_component = 0;
        vga->dac_state = DAC_STATE_READ;
        break;
    case PORT_DAC_WRITE_INDEX:
        vga->dac_write_index = value;
        vga->dac_component = 0;
        vga->dac_state = DAC_STATE_WRITE;
        break;
    case PORT_DAC_DATA:
        write_dac(vga, value);
        break;
    case PORT_GC_INDEX:
        vga->gc_index = value & 0xf;
        break;
    case PORT_GC_DATA:
        write_graphics(vga, value);
        break;
    case PORT_MONO_CRTC_INDEX:
    case PORT_COLOR_CRTC_INDEX:
        vga->crtc_index = value & 0x3f;
        break;
    case PORT_MONO_CRTC_DATA:
    case PORT_COLOR_CRTC_DATA:
        write_crtc(vga, value);
        break;
    case PORT_MONO_STATUS_1:
    case PORT_COLOR_STATUS_1:
        vga->feature = value & 0x0b;
        break;
    default:
        break;
    }
}

static uint32_t ports_read(void *self, uint32_t offset, unsigned width)
{
    return vga_read_port(self, offset);
}

static void ports_write(void *self, uint32_t offset, uint32_t value, unsigned width)
{
    vga_write_port(self, offset, (uint8_t)value);
}

const struct bus_ops vga_ports = {.name = "vga", .read = ports_read, .write = ports_write, .max_width = 1};

/* ---- creation ---- */

/* Zeroed pages that cost nothing until they are used: 16 MiB are a lot to clear, and most guests need little of it. */
struct vga *vga_create(struct clock *clock)
{
    struct vga *vga = mmap(NULL, sizeof *vga, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (vga == MAP_FAILED)
        return NULL;
    vga->clock = clock;
    vga_reset(vga);
    return vga;
}

void vga_destroy(struct vga *vga)
{
    if (vga)
        munmap(vga, sizeof *vga);
}

void vga_reset(struct vga *vga)
{
    struct state_desc registers = vga_desc;

    registers.n_fields--;
    state_reset(&registers, vga);
    madvise(vga->memory, sizeof vga->memory, MADV_DONTNEED); /* reads as zeros again */
    vbe_reset(vga);
    if (vga->pci.pci)
        pci_device_reset(&vga->pci);
    vga_update_aperture(vga);
}

const struct state_desc *vga_state(void)
{
    return &vga_desc;
}

void vga_after_load(struct vga *vga)
{
    vga->seq_index &= 7;
    vga->gc_index &= 0xf;
    if (vga->pci.pci)
        pci_device_after_load(&vga->pci);
    vbe_after_load(vga);
    vga_update_aperture(vga);
}
